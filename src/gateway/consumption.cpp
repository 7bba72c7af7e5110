#include "consumption.h"

#include <algorithm>
#include <charconv>

namespace agw::gateway {
namespace {

/// Where no policy reads the body, what the client says of its length (nginx holds it to that).
std::int64_t request_bytes(const Request& request, std::size_t body_bytes) {
  if (body_bytes > 0) return static_cast<std::int64_t>(body_bytes);
  const std::string_view text = request.headers().get("content-length");
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0 ? out : 0;
}

}  // namespace

std::vector<policy::Charge> charges_of(const Call& call, const Request& request, std::size_t body_bytes) {
  policy::Question question{.principal = *call.principal};
  question.route = &call.route->policy;
  auto out = policy::charges(question, call.facts, request_bytes(request, body_bytes));
  if (!call.enforced)
    for (auto& charge : out) charge.key.insert(0, "observed:");
  return out;
}

Decision within_limits(Decision decision, const limits::Usage& usage) {
  decision.checks.set(Check::limit, usage.refusal ? Verdict::fail : Verdict::pass);
  if (!usage.refusal) return decision;
  decision.reason = *usage.refusal;
  decision.kind =
      row(decision.reason).disposition == Disposition::limited ? DecisionKind::rate_limited : DecisionKind::deny;
  return decision;
}

Fields limit_fields(const limits::Usage& usage) {
  Fields out;
  const bool limited = usage.refusal && row(*usage.refusal).disposition == Disposition::limited;
  if (limited) out.emplace_back("Retry-After", std::to_string(limits::retry_after(usage)));
  std::string policy = limits::policy_field(usage);
  if (policy.empty()) return out;
  out.emplace_back("RateLimit-Policy", std::move(policy));
  out.emplace_back("RateLimit", limits::state_field(usage));
  return out;
}

}  // namespace agw::gateway
