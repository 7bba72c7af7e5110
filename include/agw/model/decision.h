// What was decided, and why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/reason.h"

namespace agw {

enum class DecisionKind : std::uint8_t { allow, deny, approval_required, rate_limited };
[[nodiscard]] std::string_view to_string(DecisionKind kind) noexcept;

/// One verdict per check.
class Checks {
 public:
  [[nodiscard]] Verdict operator[](Check check) const noexcept { return verdicts_[index(check)]; }
  void set(Check check, Verdict verdict) noexcept { verdicts_[index(check)] = verdict; }

 private:
  static constexpr std::size_t index(Check check) noexcept { return static_cast<std::size_t>(check); }
  std::array<Verdict, check_count> verdicts_{};
};

class Condition;
struct Grant;

/// What a call was allowed by, for as long as the facts live that it was judged by.
struct Basis {
  std::string_view holder;  ///< `agent:…`, `tier:…`, `bundle:…`, `user:…`, `group:…`; empty: not known
  const Grant* grant = nullptr;
};

struct Decision {
  DecisionKind kind = DecisionKind::deny;
  Reason reason = Reason::internal_error;
  Checks checks;
  /// Whether some entitlement of the user and some grant of the agent name the operation,
  /// whatever the resource, the time and the limits.
  bool visible = false;
  /// Whose failure gives the reason: the n-th agent of the principal's chain; 0: no one's, or the agent itself.
  std::uint8_t failed_link = 0;
  /// Denied for a while: seconds until another try may succeed; 0: not known.
  std::uint32_t retry_after = 0;
  /// With scope_missing: every scope that the operation needs.
  std::vector<std::string> needed_scopes;

  /// The first grant and the first entitlement found that cover the call; set where there is one.
  Basis granted;
  Basis entitled;
  /// One that had to hold and doesn't, where that is the reason, or why no grant or entitlement counts; lives as long
  /// as the facts and the route.
  const Condition* unmet = nullptr;

  [[nodiscard]] bool allowed() const noexcept { return kind == DecisionKind::allow; }
};

/// A denial before facts were asked: the reason's own check fails, those before it passed if
/// `earlier` says so, the rest are skipped.
[[nodiscard]] Decision deny(Reason reason, Verdict earlier = Verdict::skip) noexcept;

/// The sentence for people: `docs-assistant, acting for mira, was denied tickets/ticket.read on
/// ticket:T-391: the agent has no grant for it.` Empty parts are left out gracefully.
struct SentenceParts {
  std::string_view agent;  ///< name or id
  std::string_view user;  ///< name or id
  std::string_view operation;  ///< or the MCP method
  std::string_view resource;
};
void append_sentence(std::string& out, const SentenceParts& parts, const Decision& decision);

}  // namespace agw
