#include "handshake.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace agw::gateway {
namespace {

/// The location's exchange with those of its scopes that the caller has; null: it has none of them.
std::unique_ptr<const outbound::ExchangeSpec> narrowed_to(const Principal& principal,
                                                          const outbound::ExchangeSpec& whole) {
  auto out = std::make_unique<outbound::ExchangeSpec>();
  for (const std::string& scope : whole.scopes)
    if (principal.has_scope(scope)) out->scopes.push_back(scope);
  if (out->scopes.empty()) return nullptr;
  out->audience = whole.audience;
  out->key = outbound::exchange_key(out->audience, out->scopes);
  return out;
}

/// The exchange of some operation that the caller could ask for; null: of none.
const outbound::ExchangeSpec* exchange_within(const Location& location, const Principal& principal) {
  for (const OperationRoute& route : location.routes)
    if (route.exchange && !route.exchange->scope_independent && covers(principal, route.exchange->scopes))
      return &*route.exchange;
  return nullptr;
}

}  // namespace

bool covers(const Principal& principal, const std::vector<std::string>& scopes) {
  return std::all_of(scopes.begin(), scopes.end(), [&](const auto& scope) { return principal.has_scope(scope); });
}

Decision within_scopes(const Location& location, Call& call, Decision decision) {
  if (call.exchange == nullptr || call.exchange->scope_independent) return decision;
  if (covers(*call.principal, call.exchange->scopes)) return decision;
  if (auto narrowed = narrowed_to(*call.principal, *call.exchange)) {
    call.narrowed_exchange = std::move(narrowed);
    call.exchange = call.narrowed_exchange.get();
    return decision;
  }
  if (const auto* other = exchange_within(location, *call.principal)) {
    call.exchange = other;
    return decision;
  }
  decision.kind = DecisionKind::deny;
  decision.reason = Reason::scope_missing;
  decision.checks.set(Check::scope, Verdict::fail);
  decision.needed_scopes = call.exchange->scopes;
  return decision;
}

}  // namespace agw::gateway
