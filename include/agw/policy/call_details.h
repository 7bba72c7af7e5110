// What only the call itself can say, where a condition asks for it.
#pragma once

#include "agw/model/condition.h"

namespace agw::policy {

/// Asked while evaluate() runs and never afterwards. This one says nothing: everything is what `unsaid` says.
class CallDetails {
 public:
  /// `unsaid`: absent for a call, open for a question about calls that nobody makes.
  explicit CallDetails(Knowledge unsaid = Knowledge::absent) noexcept : unsaid_(unsaid) {}
  virtual ~CallDetails() = default;
  CallDetails(const CallDetails&) = delete;
  CallDetails& operator=(const CallDetails&) = delete;

  [[nodiscard]] Knowledge unsaid() const noexcept { return unsaid_; }
  [[nodiscard]] virtual Answered<std::string_view> method() const { return {unsaid_}; }
  [[nodiscard]] virtual Answered<std::string_view> tool() const { return {unsaid_}; }
  [[nodiscard]] virtual Answered<std::string_view> client_ip() const { return {unsaid_}; }
  // As Circumstances has them.
  [[nodiscard]] virtual Answered<std::string_view> argument(const ArgumentPath&) const { return {unsaid_}; }
  [[nodiscard]] virtual Answered<bool> flag(const ArgumentPath&) const { return {unsaid_}; }
  [[nodiscard]] virtual Answered<bool> has(const ArgumentPath&) const { return {unsaid_}; }
  [[nodiscard]] virtual Answered<std::string_view> variable(const HostVariable&) const { return {unsaid_}; }

 private:
  Knowledge unsaid_;
};

}  // namespace agw::policy
