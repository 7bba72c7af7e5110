// What an operation says of repeats.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/io/headers.h"
#include "agw/model/reason.h"
#include "agw/policy/resource_template.h"

namespace agw::idempotency {

/// As written in agent_tool or agent_operation; immutable after load. Each call needs a key of the client's choice,
/// from a header field or from one argument.
struct Rule {
  std::string header;                                ///< lower case; empty: `argument` is set
  std::optional<policy::ResourceTemplate> argument;  ///< one placeholder and nothing else
  Milliseconds ttl = std::chrono::hours(24);         ///< how long it is known, from the end of the call on
  std::size_t most_bytes = std::size_t{64} << 10;    ///< of an answer's body that is kept
  Milliseconds wait{1000};                           ///< a repeat waits so long for a call that is under way
};

inline constexpr std::size_t longest_key = 255;

/// The key in a header field: a string of RFC 9651 (draft-ietf-httpapi-idempotency-key-header-07, section 2.1), or
/// the same visible characters without quotes, as many clients send it. idempotency_key_missing, or
/// idempotency_key_invalid where it is empty, too long, repeated, or has anything else in it.
[[nodiscard]] Result<std::string, Reason> key_of_header(const Headers& headers, std::string_view name);

/// The key in an argument.
[[nodiscard]] Result<std::string, Reason> key_of_argument(const policy::ResourceTemplate& argument,
                                                          const policy::Arguments& arguments);

}  // namespace agw::idempotency
