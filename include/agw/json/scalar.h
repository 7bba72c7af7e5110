// One JSON value as the text that a policy compares.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/json/document.h"

namespace agw::json {

/// A non-empty string's characters, or an integer's decimal digits (kept in `scratch`). Nothing
/// for every other value: an odd argument must not become a resource.
[[nodiscard]] std::optional<std::string_view> scalar_text(const Value& value, std::string& scratch);

/// `application/json`, optionally with `charset=utf-8` (RFC 8259 section 11 defines none, clients
/// send it all the same); compared without case.
[[nodiscard]] bool is_json_media_type(std::string_view content_type) noexcept;

}  // namespace agw::json
