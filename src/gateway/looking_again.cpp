// Calls that go on: whether they still may, and what their callers see by now.
#include <utility>

#include "agw/gateway/gateway.h"
#include "agw/identity/workloads.h"

#include "further.h"
#include "notices.h"
#include "operation.h"

namespace agw::gateway {
namespace {

/// Issuers are asked about what goes on as they are about calls, but not with each look: where an answer counts for no
/// time at all, for as long as nobody would notice.
identity::Inquiry of_going_on(const Call& call) noexcept {
  constexpr Milliseconds between_questions{1'000};
  return {call.told.get(), between_questions};
}

/// What goes on is judged by these from here on; a listener has yet to be told of what has changed with them.
void take_facts(Call& call, PrincipalPtr principal, policy::FactsPtr facts) {
  const bool news = principal != call.principal || facts != call.facts;
  if (call.listens != 0 && news && call.heard == nullptr)
    call.heard = std::make_unique<Heard>(Heard{std::move(call.principal), std::move(call.facts)});
  call.principal = std::move(principal);
  call.facts = std::move(facts);
}

}  // namespace

/// What a proof was made for is the call, not what goes on after it: a stream lives as long as its token.
ValueTask<Result<PrincipalPtr, identity::TokenRefusal>> Gateway::authenticate_again(const Location& location,
                                                                                    const Request& request,
                                                                                    const Call& call) {
  if (!call.token.empty()) return services_.authenticator.authenticate(call.token, location.trust, of_going_on(call));
  const identity::ClientCertificate* const certificate = request.client_certificate();
  if (certificate == nullptr || services_.workloads == nullptr)
    return Result<PrincipalPtr, identity::TokenRefusal>(fail(identity::TokenRefusal{Reason::token_missing, ""}));
  auto named = services_.workloads->principal(*certificate, location.trust);
  if (named && *named == nullptr)
    return Result<PrincipalPtr, identity::TokenRefusal>(fail(identity::TokenRefusal{Reason::token_missing, ""}));
  return named;
}

Task<std::optional<Reason>> Gateway::look_further(const Location& location, Request& request, Call& call) {
  auto authenticating = authenticate_again(location, request, call);
  auto principal = co_await std::move(authenticating);
  if (!principal) co_return principal.error().reason;
  auto asking = services_.store.facts(*principal, call.operation);
  auto facts = co_await std::move(asking);
  if (!facts) co_return facts.error().reason;
  auto reading = request.body(location.max_body);
  auto body = co_await std::move(reading);
  if (!body) co_return body.error();
  take_facts(call, *std::move(principal), *facts);
  Decision decision = judge(location, request, *body, **facts, std::nullopt, call);
  auto judging = judge_further(location, request, *body, call, std::move(decision));
  decision = co_await std::move(judging);
  take_exchange(call);
  if (decision.allowed()) co_return std::nullopt;
  co_return decision.reason;
}

ValueTask<std::optional<Reason>> Gateway::look_again(const Location& location, Request& request, Call& call) {
  if (call.further != nullptr) return look_further(location, request, call);
  auto who = authenticate_again(location, request, call);
  if (!who.ready()) return await_look(location, request, call, std::move(who));
  auto principal = who.take();
  if (!principal) return std::optional(principal.error().reason);
  auto facts = services_.store.facts(*principal, call.operation);
  if (!facts.ready()) return await_look(location, request, call, *std::move(principal), std::move(facts));
  return look_result(location, request, call, *std::move(principal), facts.take());
}

Task<std::optional<Reason>> Gateway::await_look(const Location& location, Request& request, Call& call,
                                                ValueTask<Result<PrincipalPtr, identity::TokenRefusal>> who) {
  auto principal = co_await std::move(who);
  if (!principal) co_return principal.error().reason;
  auto asking = services_.store.facts(*principal, call.operation);
  auto facts = co_await std::move(asking);
  co_return look_result(location, request, call, *std::move(principal), std::move(facts));
}

Task<std::optional<Reason>> Gateway::await_look(const Location& location, Request& request, Call& call,
                                                PrincipalPtr principal, ValueTask<FactsAnswer> facts) {
  auto answer = co_await std::move(facts);
  co_return look_result(location, request, call, std::move(principal), std::move(answer));
}

std::optional<Reason> Gateway::look_result(const Location& location, Request& request, Call& call,
                                           PrincipalPtr principal, FactsAnswer facts) {
  if (!facts) return facts.error().reason;
  // For a message without an operation no time has a say, unless it passes a stop: what was judged by the same facts is
  // judged.
  if (call.operation.empty() && *facts == call.facts && principal == call.principal && !call.breaks_glass)
    return std::nullopt;
  // Conditions read the arguments of the call as it was sent; its body has been read long ago.
  std::string_view body;
  if (call.route != nullptr && body_is_judged(location, request)) {
    auto read = request.body(location.max_body);
    auto found = read.ready() ? read.take() : fail(Reason::internal_error);
    if (!found) return found.error();
    body = *found;
  }
  take_facts(call, std::move(principal), *facts);
  // Its resource could be made when it was let through.
  const Decision decision = judge(location, request, body, **facts, std::nullopt, call);
  if (decision.allowed()) return std::nullopt;
  return decision.reason;
}

ListKinds Gateway::changed_lists(Call& call, std::size_t& budget) {
  if (call.heard == nullptr) return 0;
  const std::size_t needed = 2 * call.location->routes.size();
  if (needed > budget) {
    // A location that no budget is large enough for has its turn when nobody else had.
    if (budget < evaluations_a_turn) return 0;
    budget = needed;
  }
  budget -= needed;
  const auto before = std::exchange(call.heard, nullptr);
  return differing_lists(*call.location, *before, {call.principal, call.facts}, services_.clock.now()) & call.listens;
}

}  // namespace agw::gateway
