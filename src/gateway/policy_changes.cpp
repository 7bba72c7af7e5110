#include "agw/gateway/policy_changes.h"

#include <algorithm>
#include <charconv>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "agw/grants/redis_codec.h"

namespace agw::gateway {
namespace {

constexpr std::string_view lease = "policy changes";
constexpr const char* group = "audit";
constexpr const char* consumer = "gateway";

struct Entry {
  std::string id;  ///< `1763725211304-0`
  bool deleted = false;
  std::vector<std::pair<std::string, std::string>> fields;

  [[nodiscard]] std::string_view field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (key == name) return value;
    return {};
  }
  /// When it was written, by Redis' clock.
  [[nodiscard]] WallTime time() const {
    std::int64_t millis = 0;
    std::from_chars(id.data(), id.data() + id.size(), millis);
    return WallTime(Milliseconds(millis));
  }
};

/// `[[id, [field, value, …]], …]`; what has been trimmed meanwhile has no fields.
std::vector<Entry> entries_of(const RedisReply& list) {
  std::vector<Entry> out;
  for (const RedisReply& each : list.elements) {
    if (each.elements.size() != 2 || each.elements[0].type != RedisReply::Type::text) continue;
    Entry entry;
    entry.id = each.elements[0].text;
    const RedisReply& fields = each.elements[1];
    entry.deleted = fields.type != RedisReply::Type::array;
    for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2)
      entry.fields.emplace_back(fields.elements[i].text, fields.elements[i + 1].text);
    out.push_back(std::move(entry));
  }
  return out;
}

std::string sentence(const std::string& tenant, const Entry& entry) {
  const std::string_view by = entry.field("by");
  std::string out = by.empty() ? std::string("Somebody") : std::string(by);
  out += " changed the policy of tenant " + tenant + " to version ";
  out += entry.field("version");
  out += ": ";
  out += entry.field("reason");
  if (const auto ticket = entry.field("ticket"); !ticket.empty()) (out += " (").append(ticket) += ")";
  return out;
}

/// An error reply's first word: the rest may quote what was written.
std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

}  // namespace

struct PolicyChanges::State {
  State(Host given, std::vector<std::string> names)
      : host(given),
        tenants(std::move(names)),
        recorded(host.metrics.cell(R"(agent_policy_changes_total{result="recorded"})")),
        unread(host.metrics.cell(R"(agent_policy_changes_total{result="unread"})")),
        delayed(host.metrics.cell(R"(agent_policy_changes_total{result="delayed"})")) {}

  [[nodiscard]] static std::string stream(const std::string& tenant) { return grants::volatile_key(tenant, "changes"); }

  /// What is said once, until it is good again.
  void complain(const std::string& what) {
    if (std::exchange(said, what) == what) return;
    host.log.write(LogLevel::error, "agent_store: changes of policy can't be read, their audit events wait: " + what);
  }

  /// Whether the event is in the journal.
  [[nodiscard]] bool tell(const std::string& tenant, const Entry& entry) {
    const std::string id = tenant + ":" + entry.id;
    const std::string text = sentence(tenant, entry);
    const audit::Change change{.tenant = tenant,
                               .version = entry.field("version"),
                               .by = entry.field("by"),
                               .reason = entry.field("reason"),
                               .ticket = entry.field("ticket"),
                               .what = entry.field("what")};
    audit::Event event;
    event.id = id;
    event.time = entry.time();
    event.type = "policy.change";
    event.decision = DecisionKind::allow;
    event.reason = Reason::allowed;
    event.change = &change;
    event.text = text;
    return host.audit.note(event);
  }

  /// The acknowledgement of what was told; false where the journal has no room: the rest is delivered again.
  bool take(const std::string& tenant, const std::vector<Entry>& entries, std::vector<RedisCommand>& after) {
    RedisCommand ack{"XACK", stream(tenant), group};
    bool roomy = true;
    for (const Entry& entry : entries) {
      if (!entry.deleted && !tell(tenant, entry)) {
        delayed.fetch_add(1, std::memory_order_relaxed);
        roomy = false;
        break;
      }
      if (!entry.deleted) recorded.fetch_add(1, std::memory_order_relaxed);
      ack.push_back(entry.id);
    }
    if (ack.size() > 3) after.push_back(std::move(ack));
    return roomy;
  }

  void plan(const std::string& tenant, std::vector<RedisCommand>& commands) const {
    const std::string count = std::to_string(batch);
    commands.push_back(
        {"XAUTOCLAIM", stream(tenant), group, consumer, std::to_string(redeliver.count()), "0", "COUNT", count});
    commands.push_back({"XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", stream(tenant), ">"});
  }

  /// One reading of every tenant. False: something couldn't be read or told.
  Task<bool> turn() {
    std::vector<RedisCommand> commands;
    for (const auto& tenant : tenants) plan(tenant, commands);
    const std::size_t asked = commands.size();
    auto replies = co_await host.redis.pipeline(std::move(commands));
    if (!replies || replies->size() != asked) {
      unread.fetch_add(1, std::memory_order_relaxed);
      complain(replies ? "an answer is missing" : std::string(to_string(replies.error())));
      co_return false;
    }
    std::string wrong;
    bool roomy = true;
    std::vector<RedisCommand> after;
    for (std::size_t i = 0; i < tenants.size(); ++i) {
      const RedisReply& again = (*replies)[2 * i];
      const RedisReply& fresh = (*replies)[2 * i + 1];
      if (fresh.type == RedisReply::Type::error) {
        if (first_word(fresh.text) == "NOGROUP") {
          after.push_back({"XGROUP", "CREATE", stream(tenants[i]), group, "0", "MKSTREAM"});
        } else {
          wrong = "key " + stream(tenants[i]) + ": " + std::string(first_word(fresh.text));
        }
        continue;
      }
      // [cursor, entries, deleted]
      if (again.elements.size() >= 2) roomy = take(tenants[i], entries_of(again.elements[1]), after) && roomy;
      // [[stream, entries]], or nil
      for (const RedisReply& each : fresh.elements)
        if (each.elements.size() == 2) roomy = take(tenants[i], entries_of(each.elements[1]), after) && roomy;
    }
    if (!after.empty()) {
      const auto done = co_await host.redis.pipeline(std::move(after));
      if (!done) {
        wrong = std::string(to_string(done.error()));
      } else {
        for (const RedisReply& reply : *done)
          if (reply.type == RedisReply::Type::error && first_word(reply.text) != "BUSYGROUP")
            wrong = first_word(reply.text);
      }
    }
    if (!wrong.empty()) {
      unread.fetch_add(1, std::memory_order_relaxed);
      complain(wrong);
    } else if (!std::exchange(said, {}).empty()) {
      host.log.write(LogLevel::notice, "agent_store: changes of policy can be read again");
    }
    co_return wrong.empty() && roomy;
  }

  Host host;
  std::vector<std::string> tenants;
  Metrics::Cell& recorded;
  Metrics::Cell& unread;
  Metrics::Cell& delayed;
  std::string said;
};

PolicyChanges::PolicyChanges(Host host, std::vector<std::string> tenants)
    : state_(std::make_unique<State>(host, std::move(tenants))) {}
PolicyChanges::~PolicyChanges() = default;

Task<void> PolicyChanges::run() {
  State& state = *state_;
  Milliseconds pause = interval;
  for (;;) {
    // The lease isn't given back: it is what makes it one reading an interval, whatever the number of workers.
    if (state.host.zone.try_lease(lease, interval)) {
      bool good = false;
      try {
        auto turn = state.turn();
        good = co_await std::move(turn);
      } catch (const std::bad_alloc&) {
        state.complain("not enough memory");
      }
      pause = good ? interval : std::min(pause * 2, longest_pause);
    }
    co_await state.host.loop.sleep(pause);
  }
}

}  // namespace agw::gateway
