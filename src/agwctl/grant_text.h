// A grant in words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/model/policy_records.h"

namespace agw::agwctl {

/// `allow tickets/* on ticket:* for group:company|support until 2026-12-31T00:00:00.000Z, by ada: pilot [SEC-12]`,
/// not yet made safe for a terminal. `more`: with who gave it and why.
[[nodiscard]] std::string grant_text(const Grant& grant, bool more = true);

/// The same of a field of a hash `grants:…` or `entitlements:…`; nothing if the key is another, or the value is
/// no grant.
[[nodiscard]] std::optional<std::string> grant_field_text(std::string_view key, std::string_view id,
                                                          std::string_view value);

}  // namespace agw::agwctl
