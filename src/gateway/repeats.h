// Calls that are carried out once for each key of the client's.
#pragma once

#include <string>
#include <string_view>

#include "agw/gateway/answer.h"
#include "agw/gateway/call.h"
#include "agw/gateway/request.h"
#include "agw/idempotency/ledger.h"
#include "agw/json/document.h"
#include "agw/policy/resource_template.h"

namespace agw::gateway {

/// Whether it has to have a key. What is only observed needs none, and none is used up by it; nor does a look at what
/// a call has made.
[[nodiscard]] inline bool is_keyed(const Call& call) noexcept {
  return call.route != nullptr && call.route->idempotency != nullptr && call.enforced && call.made == nullptr;
}

/// Notes the call's key and the digest of `judged`: all that a repeat must have in common with the first.
void note_key(const Request& request, const policy::Arguments& arguments, std::string_view judged, Call& call);

[[nodiscard]] idempotency::Ask ask_of(const Call& call);

/// The decision as it is where the call can't be carried out (again).
[[nodiscard]] Decision within_claim(Decision decision, Reason refusal);

/// The recorded answer, for this repeat.
[[nodiscard]] Answer replayed(const Location& location, const Headers& headers, const Call& call);

/// What is kept of the backend's whole answer: nothing where a repeat could not be given it, or where the answer asks
/// for input first; then the claim knows that the call was not carried out.
[[nodiscard]] std::optional<idempotency::KeptAnswer> kept_answer(const Call& call, json::Document& document,
                                                                 BackendAnswer answer);

}  // namespace agw::gateway
