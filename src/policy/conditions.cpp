#include "conditions.h"

#include <algorithm>
#include <span>

namespace agw::policy {
namespace {

/// An issuer's clock may be ahead of this one by so much; who authenticated later than that hasn't yet.
constexpr Seconds furthest_ahead(60);

Answered<std::string_view> said(std::string_view text, Knowledge otherwise = Knowledge::absent) {
  if (text.empty()) return {otherwise};
  return Answered<std::string_view>::known(text);
}

}  // namespace

Knowledge Situation::unsaid() const noexcept {
  return question_.details != nullptr ? question_.details->unsaid() : Knowledge::absent;
}

Answered<std::string_view> Situation::field(CallField field) const {
  const CallDetails* details = question_.details;
  switch (field) {
    case CallField::method: return details != nullptr ? details->method() : Answered<std::string_view>{};
    case CallField::tool: return details != nullptr ? details->tool() : Answered<std::string_view>{};
    case CallField::client_ip: return details != nullptr ? details->client_ip() : Answered<std::string_view>{};
    case CallField::operation: return said(question_.route->operation);
    case CallField::resource: return said(question_.resource);
    case CallField::user: return said(question_.principal.user);
    case CallField::agent: return said(question_.principal.agent);
    case CallField::tenant: return said(question_.principal.tenant);
    case CallField::tier: return said(facts_.tier_name);
    case CallField::classification:
      if (question_.route->classification.empty() && facts_.operation != nullptr)
        return said(facts_.operation->classification);
      return said(question_.route->classification);
    case CallField::risk: return said(question_.route->risk);
    case CallField::acr: return said(question_.principal.acr, unsaid());
  }
  return {};
}

Answered<std::string_view> Situation::argument(const ArgumentPath& path) const {
  return question_.details != nullptr ? question_.details->argument(path) : Answered<std::string_view>{};
}
Answered<bool> Situation::flag(const ArgumentPath& path) const {
  return question_.details != nullptr ? question_.details->flag(path) : Answered<bool>{};
}
Answered<bool> Situation::has(const ArgumentPath& path) const {
  return question_.details != nullptr ? question_.details->has(path) : Answered<bool>{};
}
Answered<std::string_view> Situation::variable(const HostVariable& variable) const {
  return question_.details != nullptr ? question_.details->variable(variable) : Answered<std::string_view>{};
}

bool Situation::in_group(std::string_view group) const {
  const auto among = [&](std::span<const std::string> groups) {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  };
  return among(question_.principal.groups) || among(facts_.store_groups);
}

Answered<Seconds> Situation::authentication_age() const {
  if (!question_.principal.authenticated_at) return {unsaid()};
  const auto age = std::chrono::floor<Seconds>(question_.now - *question_.principal.authenticated_at);
  if (age < -furthest_ahead) return {};
  return Answered<Seconds>::known(std::max(age, Seconds(0)));
}

Answered<WallTime> Situation::now() const {
  if (question_.any_time) return Answered<WallTime>::open();
  return Answered<WallTime>::known(question_.now);
}

bool Conditions::holds(const Condition& when) const {
  const Truth truth = when.judge(Situation(question_, facts_));
  return truth == Truth::yes || (truth == Truth::open && question_.unsaid == Unsaid::in_favour);
}

bool Conditions::may_hold(const Condition& when) const {
  const Truth truth = when.judge(Situation(question_, facts_));
  return truth != Truth::no && !(truth == Truth::open && question_.unsaid == Unsaid::in_favour);
}

bool Conditions::is_open(const OperationRecord& operation) const {
  if (operation.windows.empty()) return true;
  if (question_.any_time) return question_.unsaid == Unsaid::in_favour;
  return agw::is_open(operation.windows, question_.now);
}

}  // namespace agw::policy
