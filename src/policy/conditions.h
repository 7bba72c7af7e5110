// Conditions of one question, judged where one counts.
#pragma once

#include "agw/policy/evaluate.h"

namespace agw::policy {

/// One call as conditions ask about it.
class Situation final : public Circumstances {
 public:
  Situation(const Question& question, const Facts& facts) noexcept : question_(question), facts_(facts) {}

  [[nodiscard]] Answered<std::string_view> field(CallField field) const override;
  [[nodiscard]] Answered<std::string_view> argument(const ArgumentPath& path) const override;
  [[nodiscard]] Answered<bool> flag(const ArgumentPath& path) const override;
  [[nodiscard]] Answered<bool> has(const ArgumentPath& path) const override;
  [[nodiscard]] Answered<std::string_view> variable(const HostVariable& variable) const override;
  [[nodiscard]] bool in_group(std::string_view group) const override;
  [[nodiscard]] Answered<Seconds> authentication_age() const override;
  [[nodiscard]] Answered<WallTime> now() const override;

 private:
  [[nodiscard]] Knowledge unsaid() const noexcept;

  const Question& question_;
  const Facts& facts_;
};

/// In each direction what isn't certain counts against the caller.
class Conditions {
 public:
  Conditions(const Question& question, const Facts& facts) noexcept : question_(question), facts_(facts) {}

  /// Whether what depends on it lets pass: it holds.
  [[nodiscard]] bool lets_pass(const Condition* when) const { return when == nullptr || holds(*when); }
  /// Whether a denial counts: unless it certainly doesn't hold.
  [[nodiscard]] bool denies(const Condition* when) const { return when == nullptr || may_hold(*when); }
  /// Whether the operation's windows are open.
  [[nodiscard]] bool is_open(const OperationRecord& operation) const;

 private:
  [[nodiscard]] bool holds(const Condition& when) const;
  [[nodiscard]] bool may_hold(const Condition& when) const;

  const Question& question_;
  const Facts& facts_;
};

}  // namespace agw::policy
