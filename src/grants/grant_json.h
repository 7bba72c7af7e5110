// One grant or entitlement as JSON: the same in the policy file and in Redis.
#pragma once

#include <string>
#include <string_view>

#include "agw/model/policy_records.h"

#include "json_reader.h"

namespace agw::grants {

enum class GrantKind { grant, entitlement };

/// Reads the members of a grant; throws Malformed. `id` and `to` are the caller's.
[[nodiscard]] Grant read_grant(const Node& node, GrantKind kind);

/// Appends the members of a grant, without id and holder, without braces. `gap` stands after each
/// comma and colon: none in Redis, a space in the file.
void append_grant_members(std::string& out, const Grant& grant, std::string_view gap);

/// A condition's text, compiled.
[[nodiscard]] ConditionPtr read_condition(const Node& node);

[[nodiscard]] Status read_status(const Node& node, bool may_be_quarantined);
[[nodiscard]] std::string_view to_string(Status status) noexcept;

}  // namespace agw::grants
