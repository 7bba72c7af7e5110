#include "agw/limits/usage.h"

#include <algorithm>

#include "agw/base/encoding.h"

namespace agw::limits {
namespace {

std::int64_t seconds_up(Milliseconds time) noexcept { return (time.count() + 999) / 1000; }

/// What a caller is told of: no more than fits beside a call's other fields.
constexpr std::size_t most_told = 8;

/// Calls visit(charge, standing).
template <class Visit>
void each_told(const Usage& usage, Visit&& visit) {
  const auto& charges = usage.charges();
  const auto& standings = usage.outcome.standings;
  if (standings.size() != charges.size()) return;
  if (usage.refused_by() != nullptr)
    return visit(charges[usage.outcome.refused_by], standings[usage.outcome.refused_by]);
  if (usage.outcome.kind != Taking::taken) return;
  for (std::size_t i = 0; i < std::min(charges.size(), most_told); ++i) visit(charges[i], standings[i]);
}

void begin_item(std::string& out, const Limit& limit) {
  if (!out.empty()) out += ", ";
  out += '"' + quoted_string_body(limit.name) + '"';
}

}  // namespace

std::string policy_field(const Usage& usage) {
  std::string out;
  each_told(usage, [&](const policy::Charge& charge, const Standing&) {
    const Limit& limit = *charge.limit;
    begin_item(out, limit);
    out += ";q=" + std::to_string(limit.amount);
    switch (limit.unit) {
      case LimitUnit::requests: break;
      case LimitUnit::bytes: out += R"(;qu="content-bytes")"; break;
      case LimitUnit::cost: out += R"(;qu="cost-units")"; break;
      case LimitUnit::calls: out += R"(;qu="concurrent-requests")"; break;
    }
    if (limit.kind != LimitKind::concurrent) out += ";w=" + std::to_string(length_of(limit.period) / 1000);
  });
  return out;
}

std::string state_field(const Usage& usage) {
  std::string out;
  each_told(usage, [&](const policy::Charge& charge, const Standing& standing) {
    begin_item(out, *charge.limit);
    out += ";r=" + std::to_string(standing.remaining);
    if (charge.limit->kind != LimitKind::concurrent) out += ";t=" + std::to_string(seconds_up(standing.reset));
  });
  return out;
}

std::int64_t retry_after(const Usage& usage) noexcept {
  return std::max<std::int64_t>(seconds_up(usage.outcome.wait), 1);
}

}  // namespace agw::limits
