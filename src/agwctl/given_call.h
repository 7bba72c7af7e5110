// What somebody says about a call that nobody has made, for the conditions that ask.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agw/policy/argument_details.h"
#include "agw/policy/route_file.h"

namespace agw::agwctl {

struct GivenCall {
  /// By path; once there are any, all of them are said. Text and integers as text.
  std::optional<std::map<ArgumentPath, policy::ArgumentValue>> arguments;
  std::optional<std::string> client_ip;
  std::map<std::string, std::string> variables;  ///< of nginx, without the dollar
  std::optional<WallTime> authenticated_at;
  std::string acr;
};

/// `NAME=VALUE` of the command line, the name as `<filter/id>` without its brackets. Throws Failure (usage).
void give_argument(GivenCall& call, const std::string& option, const std::string& text);
void give_variable(GivenCall& call, const std::string& option, const std::string& text);
/// Throws Failure (usage).
void give_client_ip(GivenCall& call, const std::string& option, const std::string& text);

/// What isn't given is open; what the place (null: not known) says is known.
class GivenDetails final : public policy::ArgumentDetails {
 public:
  GivenDetails(const GivenCall& call, const policy::RouteRecord* place) noexcept
      : policy::ArgumentDetails(Knowledge::open), call_(call), place_(place) {}
  [[nodiscard]] Answered<std::string_view> method() const override;
  [[nodiscard]] Answered<std::string_view> tool() const override;
  [[nodiscard]] Answered<std::string_view> client_ip() const override;
  [[nodiscard]] Answered<std::string_view> variable(const HostVariable& variable) const override;

 private:
  [[nodiscard]] const policy::ArgumentValue* find(const ArgumentPath& path) const override;

  const GivenCall& call_;
  const policy::RouteRecord* place_;
};

}  // namespace agw::agwctl
