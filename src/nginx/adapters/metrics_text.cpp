#include "metrics_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <tuple>

namespace agw::nginx {
namespace {

enum class Type { counter, gauge, histogram };

struct Family {
  std::string_view name;
  Type type;
  std::string_view help;
};

// Every family that is written anywhere, by name.
constexpr std::array families{
    Family{"agent_audit_damaged_total", Type::counter, "Entries of the audit journal that could not be read."},
    Family{"agent_audit_journal_slots", Type::gauge, "Room in the audit journal, in slots: one for a usual event."},
    Family{"agent_audit_journal_used_slots", Type::gauge,
           "Slots of the audit journal in use: calls under way, and events that wait to be written."},
    Family{"agent_audit_lines_total", Type::counter, "Audit lines written."},
    Family{"agent_audit_lost_total", Type::counter,
           "Calls that passed without an event (agent_audit_on_error continue)."},
    Family{"agent_audit_recovered_total", Type::counter,
           "Events of calls whose worker died, recorded with outcome unknown."},
    Family{"agent_audit_syncs_total", Type::counter, "Times the audit log was forced to the disk."},
    Family{"agent_audit_write_failures_total", Type::counter,
           "Writes to the audit file that failed or were cut short."},
    Family{"agent_breaker_open_agents", Type::gauge, "Agents whose circuit breaker is open on this node."},
    Family{"agent_breaker_open_backends", Type::gauge,
           "Whether a backend's circuit breaker is open or half open on this node (1), by namespace."},
    Family{"agent_breaker_trips_total", Type::counter,
           "Circuit breakers that opened by themselves, by where they are."},
    Family{"agent_breaker_uncounted_total", Type::counter,
           "Calls that no breaker counted because there was no room for one more."},
    Family{"agent_copy_bytes", Type::gauge, "Memory of a worker's copy of what is in Redis, roughly."},
    Family{"agent_copy_connects_total", Type::counter, "Times a worker began to hear of changes."},
    Family{"agent_copy_entries", Type::gauge, "Records in a worker's copy."},
    Family{"agent_copy_evictions_total", Type::counter, "Records that a worker's copy dropped for lack of room."},
    Family{"agent_copy_heartbeat_timestamp_seconds", Type::gauge,
           "When the last heartbeat was sent that Redis has answered: the lease counts from then."},
    Family{"agent_copy_hits_total", Type::counter, "Calls answered from a worker's copy."},
    Family{"agent_copy_invalidations_total", Type::counter, "Messages of Redis about written keys."},
    Family{"agent_copy_misses_total", Type::counter, "Calls that asked Redis."},
    Family{"agent_decisions_total", Type::counter, "Calls judged, by operation, decision and reason."},
    Family{"agent_exchanges_total", Type::counter, "Backend tokens, remembered, minted anew, or refused."},
    Family{"agent_introspections_total", Type::counter,
           "What issuers said of tokens: active, inactive, remembered, or no answer."},
    Family{"agent_keys_refresh_total", Type::counter,
           "Fetches of an issuer's metadata and keys, by issuer and result."},
    Family{"agent_last_uses_total", Type::counter,
           "Grants used for the first time on a day, by whether that could be kept for agwctl stale."},
    Family{"agent_list_items_total", Type::counter,
           "Items of lists in MCP servers' answers, by whether their caller was shown them."},
    Family{"agent_overhead_seconds", Type::histogram, "Time that the gateway itself took for a call."},
    Family{
        "agent_policy_changes_total", Type::counter,
        "Changes of policy in Redis told in the audit log, delayed for want of room there, and readings that failed."},
    Family{"agent_policy_loads_total", Type::counter, "Policy files compiled after an edit, by result."},
    Family{"agent_tokens_total", Type::counter, "Tokens looked at, remembered or verified anew."},
};

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::counter: return "counter";
    case Type::gauge: return "gauge";
    case Type::histogram: return "histogram";
  }
  return "untyped";
}

const Family* family_of(std::string_view sample_name) noexcept {
  for (const Family& family : families) {
    if (!sample_name.starts_with(family.name)) continue;
    const std::string_view rest = sample_name.substr(family.name.size());
    if (rest.empty()) return &family;
    if (family.type == Type::histogram && (rest == "_bucket" || rest == "_sum" || rest == "_count")) return &family;
  }
  return nullptr;
}

constexpr std::string_view bound_label = "le=\"";

// Where a bucket stands among the others of its series; what isn't a bucket comes after them.
double bound_of(std::string_view labels) noexcept {
  const auto at = labels.find(bound_label);
  double bound = std::numeric_limits<double>::infinity();
  if (at == std::string_view::npos) return bound;
  const char* begin = labels.data() + at + bound_label.size();
  std::from_chars(begin, labels.data() + labels.size(), bound);  // +Inf is no number and stays infinity
  return bound;
}

std::string_view without_bound(std::string_view labels) noexcept { return labels.substr(0, labels.find(bound_label)); }

struct Row {
  std::string_view name;
  std::string_view labels;
  std::string_view family;
  const Family* known;
  std::uint64_t value;
};

bool before(const Row& left, const Row& right) noexcept {
  const auto key = [](const Row& row) {
    return std::tuple(row.family, row.name, without_bound(row.labels), bound_of(row.labels), row.labels);
  };
  return key(left) < key(right);
}

void append_value(std::string& out, const Row& row) {
  if (row.known != nullptr && (row.name.ends_with("_seconds_sum") || row.name.ends_with("_timestamp_seconds"))) {
    const std::string fraction = std::to_string(row.value % 1000000);
    out += std::to_string(row.value / 1000000);
    out += '.';
    out.append(6 - fraction.size(), '0');
    out += fraction;
    return;
  }
  out += std::to_string(row.value);
}

/// Each call is counted in one bucket only, so that it costs one count; Prometheus wants in each
/// bucket all that lie below it too. Rows are in order.
void cumulate(std::vector<Row>& rows) noexcept {
  const Row* previous = nullptr;
  for (Row& row : rows) {
    const bool bucket = row.known != nullptr && row.known->type == Type::histogram && row.name.ends_with("_bucket");
    const bool same_series = bucket && previous != nullptr && previous->name == row.name &&
                             without_bound(previous->labels) == without_bound(row.labels);
    if (same_series) row.value += previous->value;
    previous = bucket ? &row : nullptr;
  }
}

}  // namespace

std::string metrics_text(const std::vector<MetricSample>& samples) {
  std::vector<Row> rows;
  rows.reserve(samples.size());
  for (const MetricSample& sample : samples) {
    const std::string_view name = sample.series.substr(0, sample.series.find('{'));
    const Family* known = family_of(name);
    rows.push_back(
        {name, sample.series.substr(name.size()), known != nullptr ? known->name : name, known, sample.value});
  }
  std::ranges::sort(rows, before);
  cumulate(rows);
  std::string out;
  std::string_view open;
  for (const Row& row : rows) {
    if (row.family != open) {
      open = row.family;
      if (row.known != nullptr) (((out += "# HELP ") += row.family) += ' ').append(row.known->help) += '\n';
      ((out += "# TYPE ") += row.family) += ' ';
      (out += row.known != nullptr ? type_name(row.known->type) : "untyped") += '\n';
    }
    ((out += row.name) += row.labels) += ' ';
    append_value(out, row);
    out += '\n';
  }
  return out;
}

}  // namespace agw::nginx
