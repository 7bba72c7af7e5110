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

/// A counter that several of a call's subjects share counts the call once.
void add_further_charges(policy::Question& question, const Further& further, std::int64_t bytes,
                         std::vector<policy::Charge>& out) {
  for (const FurtherSubject& one : further.subjects) {
    if (one.route == nullptr || one.task != nullptr) continue;
    question.route = &one.route->policy;
    for (policy::Charge& charge : policy::charges(question, one.facts, bytes)) {
      const auto same = [&](const policy::Charge& other) {
        return other.key == charge.key && other.tenant == charge.tenant;
      };
      if (std::ranges::none_of(out, same)) out.push_back(std::move(charge));
    }
  }
}

}  // namespace

std::vector<policy::Charge> charges_of(const Call& call, const Request& request, std::size_t body_bytes) {
  policy::Question question{.principal = *call.principal};
  const std::int64_t bytes = request_bytes(request, body_bytes);
  std::vector<policy::Charge> out;
  if (call.route != nullptr) {
    question.route = &call.route->policy;
    out = policy::charges(question, call.facts, bytes);
  }
  if (call.further != nullptr) add_further_charges(question, *call.further, bytes, out);
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
