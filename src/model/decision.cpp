#include "agw/model/decision.h"

namespace agw {

std::string_view to_string(DecisionKind kind) noexcept {
  switch (kind) {
    case DecisionKind::allow: return "allow";
    case DecisionKind::deny: return "deny";
    case DecisionKind::approval_required: return "approval_required";
    case DecisionKind::rate_limited: return "rate_limited";
  }
  return "deny";
}

Decision deny(Reason reason, Verdict earlier) noexcept {
  Decision decision;
  decision.kind = DecisionKind::deny;
  decision.reason = reason;
  const Check failed = row(reason).check;
  for (std::size_t i = 0; i < static_cast<std::size_t>(failed); ++i)
    decision.checks.set(static_cast<Check>(i), earlier);
  decision.checks.set(failed, Verdict::fail);
  return decision;
}

void append_sentence(std::string& out, const SentenceParts& parts, const Decision& decision) {
  out += parts.agent.empty() ? "An unidentified caller" : parts.agent;
  if (!parts.user.empty() && !parts.agent.empty()) {
    out += ", acting for ";
    out += parts.user;
    out += ',';
  }
  switch (decision.kind) {
    case DecisionKind::allow: out += " was allowed "; break;
    case DecisionKind::deny: out += " was denied "; break;
    case DecisionKind::approval_required: out += " needs an approval for "; break;
    case DecisionKind::rate_limited: out += " was slowed down on "; break;
  }
  out += parts.operation.empty() ? "the call" : parts.operation;
  if (!parts.resource.empty()) {
    out += " on ";
    out += parts.resource;
  }
  out += ": ";
  out += row(decision.reason).sentence;
  out += '.';
}

}  // namespace agw
