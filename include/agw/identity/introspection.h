// When an issuer is asked about a token, and what it is told.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agw/base/time.h"

namespace agw::identity {

/// What an issuer hears of the call beside the token. digest: operation, resource and a digest of the arguments.
/// arguments: these, too.
enum class AskedContext : std::uint8_t { none, digest, arguments };

/// agent_introspect of a location; immutable after load.
struct Introspection {
  Milliseconds max_age{0};  ///< how long an answer counts, from the question on; 0: each call asks
  bool jwts = false;        ///< JWTs are asked about, too, once they are verified
  AskedContext context = AskedContext::none;
};

/// Form fields of the question, beside those of RFC 7662.
using ContextFields = std::vector<std::pair<std::string, std::string>>;

/// What one question is about, beside the token.
struct Inquiry {
  const ContextFields* told = nullptr;  ///< null: nothing. An answer counts for what was told, and for nothing else
  /// How old an answer may be for who only wants to know whether something may go on, where each call asks anew.
  Milliseconds going_on{0};
};

}  // namespace agw::identity
