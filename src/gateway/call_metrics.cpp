#include "call_metrics.h"

#include <algorithm>

namespace agw::gateway {
namespace {

/// Seconds as Prometheus writes a bucket's bound.
std::string bound_text(std::int64_t microseconds) {
  std::string digits = std::to_string(microseconds);
  if (digits.size() <= 6) digits.insert(0, 7 - digits.size(), '0');
  digits.insert(digits.size() - 6, ".");
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

/// Operations of the configuration by name, everything else by what it is.
std::string_view operation_label(const Call& call) {
  if (call.route != nullptr) return call.route->policy.operation;
  if (!call.decision.allowed() && call.operation.empty() && call.mcp_method.empty()) return "unreadable";
  switch (call.category) {
    case mcp::Category::session: return "session";
    case mcp::Category::list: return "list";
    case mcp::Category::notify: return "notification";
    case mcp::Category::reply: return "response";
    default: return "unknown";
  }
}

}  // namespace

CallMetrics::CallMetrics(Metrics& metrics)
    : metrics_(metrics),
      overhead_sum_(metrics.cell("agent_overhead_seconds_sum")),
      overhead_count_(metrics.cell("agent_overhead_seconds_count")),
      items_shown_(metrics.cell("agent_list_items_total{result=\"shown\"}")),
      items_hidden_(metrics.cell("agent_list_items_total{result=\"hidden\"}")) {
  for (std::size_t i = 0; i < bounds_us.size(); ++i)
    buckets_[i] = &metrics.cell("agent_overhead_seconds_bucket{le=\"" + bound_text(bounds_us[i]) + "\"}");
  buckets_.back() = &metrics.cell("agent_overhead_seconds_bucket{le=\"+Inf\"}");
}

void CallMetrics::count(const Call& call, Reason reason, std::int64_t overhead_us) {
  const std::string_view label = operation_label(call);
  // Labels are string literals or live in the configuration: their address stands for them.
  auto& cell = decisions_[{label.data(), reason}];
  if (cell == nullptr) {
    std::string series = "agent_decisions_total{operation=\"" + std::string(label) + "\",decision=\"";
    series += to_string(call.decision.kind);
    series += "\",reason=\"";
    series += to_string(reason);
    series += "\"}";
    cell = &metrics_.cell(series);
  }
  cell->fetch_add(1, std::memory_order_relaxed);
  // Its own bucket only: every count is a locked instruction on a line that all workers share.
  const auto* const bound = std::lower_bound(bounds_us.begin(), bounds_us.end(), overhead_us);
  buckets_[static_cast<std::size_t>(bound - bounds_us.begin())]->fetch_add(1, std::memory_order_relaxed);
  overhead_sum_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(overhead_us, 0)),
                          std::memory_order_relaxed);
  overhead_count_.fetch_add(1, std::memory_order_relaxed);
}

void CallMetrics::count_items(const Call& call) {
  items_shown_.fetch_add(call.items_shown, std::memory_order_relaxed);
  items_hidden_.fetch_add(call.items_hidden, std::memory_order_relaxed);
}

}  // namespace agw::gateway
