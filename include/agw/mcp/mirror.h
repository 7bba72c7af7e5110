// Header fields that repeat what stands in the body.
#pragma once

#include <string>
#include <string_view>

#include "agw/json/document.h"

namespace agw::mcp {

/// Whether a field's value stands for exactly `name`: as it is, or in the form `=?base64?…?=` that carries what a
/// header can't (MCP 2026-07-28, "Standard Headers").
[[nodiscard]] bool mirrors_name(std::string_view value, std::string_view name);

/// The field's value that stands for exactly `name`.
[[nodiscard]] std::string mirror_of(std::string_view name);

/// mirrors_name() for a string, the same for a number (compared as numbers) or a truth value; false for every other.
/// White space around the field's value doesn't count.
[[nodiscard]] bool mirrors_value(std::string_view field, const json::Value& value);

}  // namespace agw::mcp
