// One claim of a payload, of the type that it must have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <jansson.h>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/identity/authenticator.h"

namespace agw::identity {

template <class T>
using Claimed = Result<T, TokenRefusal>;

/// token_claim_invalid: `claim` names it, `what` completes the sentence; neither holds a value of the token.
[[nodiscard]] TokenRefusal invalid_claim(std::string_view claim, std::string_view what);

/// A claim by its path (`realm_access/roles`), or one whose own name has the slashes, which wins. Null: it is absent.
/// Something on the way that has no members is a claim of the wrong type.
[[nodiscard]] Claimed<const json_t*> find_claim(const json_t* claims, const std::string& path);

/// A string that must be there and not be empty.
[[nodiscard]] Claimed<std::string> needed_claim(const json_t* claims, const std::string& path);
/// A string that may be absent, then empty.
[[nodiscard]] Claimed<std::string> optional_claim(const json_t* claims, const std::string& path);

enum class Words : bool { kept, split };
/// The strings of a claim that is one (with `split`: words between blanks, RFC 6749 section 3.3), a list of them, or
/// absent.
[[nodiscard]] Claimed<std::vector<std::string>> claim_strings(const json_t* claims, const std::string& path,
                                                              Words words);

/// NumericDate: seconds, whole ones, until the end of 9999. RFC 7519 section 2 would allow fractions; no issuer needs
/// them, and readers round them differently.
[[nodiscard]] Claimed<std::optional<WallTime>> claim_time(const json_t* claims, const char* name);

}  // namespace agw::identity
