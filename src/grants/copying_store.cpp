#include "agw/grants/copying_store.h"

#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agw/base/exception.h"
#include "agw/grants/redis_store.h"
#include "agw/io/begun.h"
#include "agw/io/next_flight.h"
#include "agw/io/redis_script.h"
#include "agw/io/single_flight.h"

#include "channel.h"
#include "copy.h"
#include "past.h"
#include "trip.h"

namespace agw::grants {
namespace {

/// Three trips fill an empty copy; the others are for policy that is written meanwhile. Then the
/// store is asked as if there were no copy, which settles it.
constexpr int max_trips = 6;
constexpr int looks_in_a_lease = 4;
/// How long a server that was looked at is taken for what it was, where nothing is copied until further notice.
constexpr Milliseconds look_without_push{1000};

using Answer = Result<policy::FactsPtr, StoreFailure>;

/// What one trip has brought, for everybody who waited for it.
struct Brought {
  std::vector<std::pair<std::string, Copied>> copies;
  std::optional<StoreFailure> failure;
  bool whole = true;  ///< false: another worker has seen more of this store than it says now
};
using BroughtPtr = std::shared_ptr<const Brought>;

/// Whether what is copied of a tenant still holds, for all calls that began before it was asked.
struct Proof {
  bool holds = false;
  std::optional<StoreFailure> failure;
};

Proof disproof(StoreFailure why) {
  Proof out;
  out.failure = std::move(why);
  return out;
}

BroughtPtr brought_nothing(std::optional<StoreFailure> failure = std::nullopt) {
  auto out = std::make_shared<Brought>();
  out->failure = std::move(failure);
  return out;
}

std::string labels_of(const CopySettings& settings) {
  const std::string of = settings.of.empty() ? "" : ",tenant=\"" + settings.of + "\"";
  return "{worker=\"" + settings.worker + "\"" + of + "}";
}

/// Raised by whoever knows the number that it has: another's answer, or that of a node that lacks some, leaves it.
constexpr std::string_view raise_witness = R"(
local now = redis.call('GET', KEYS[1]) or '0'
if now ~= ARGV[1] then return 0 end
return redis.call('INCR', KEYS[1])
)";

class CopyMetrics {
 public:
  CopyMetrics(Metrics& metrics, const std::string& labels)
      : hits_(cell(metrics, "agent_copy_hits_total", labels)),
        misses_(cell(metrics, "agent_copy_misses_total", labels)),
        bytes_(cell(metrics, "agent_copy_bytes", labels)),
        entries_(cell(metrics, "agent_copy_entries", labels)),
        heartbeat_(cell(metrics, "agent_copy_heartbeat_timestamp_seconds", labels)),
        invalidations_(cell(metrics, "agent_copy_invalidations_total", labels)),
        connects_(cell(metrics, "agent_copy_connects_total", labels)),
        evictions_(cell(metrics, "agent_copy_evictions_total", labels)) {}

  void hit() noexcept {
    ++own_hits;
    hits_.fetch_add(1, std::memory_order_relaxed);
  }
  void miss() noexcept {
    ++own_misses;
    misses_.fetch_add(1, std::memory_order_relaxed);
  }

  void show(const Copy& copy, const Channel* channel) noexcept {
    bytes_.store(copy.bytes(), std::memory_order_relaxed);
    entries_.store(copy.size(), std::memory_order_relaxed);
    add(evictions_, shown_evictions_, copy.evictions());
    if (channel == nullptr) return;
    const auto beat = channel->last_heartbeat().time_since_epoch();
    heartbeat_.store(static_cast<std::uint64_t>(std::chrono::microseconds(beat).count()), std::memory_order_relaxed);
    add(invalidations_, shown_invalidations_, channel->invalidations());
    add(connects_, shown_connects_, channel->connects());
  }

  // Of this process; the cells are also its predecessors'.
  std::uint64_t own_hits = 0;
  std::uint64_t own_misses = 0;

 private:
  static Metrics::Cell& cell(Metrics& metrics, const char* family, const std::string& labels) {
    return metrics.cell(family + labels);
  }
  static void add(Metrics::Cell& cell, std::uint64_t& shown, std::uint64_t now) noexcept {
    cell.fetch_add(now - std::exchange(shown, now), std::memory_order_relaxed);
  }

  Metrics::Cell& hits_;
  Metrics::Cell& misses_;
  Metrics::Cell& bytes_;
  Metrics::Cell& entries_;
  Metrics::Cell& heartbeat_;
  Metrics::Cell& invalidations_;
  Metrics::Cell& connects_;
  Metrics::Cell& evictions_;
  std::uint64_t shown_evictions_ = 0;
  std::uint64_t shown_invalidations_ = 0;
  std::uint64_t shown_connects_ = 0;
};

std::string flight_name(const std::string& tenant, const std::vector<Want>& wants, bool meta) {
  std::string out = tenant;
  if (meta) out += "\nmeta";
  for (const Want& want : wants) (out += '\n') += want.key;
  return out;
}

}  // namespace

struct CopyingStore::State final : Writes {
  using Mode = Freshness::Mode;

  State(Host given, CopySettings chosen)
      : host(given),
        settings(std::move(chosen)),
        server(
            settings.freshness.mode == Mode::max_age ? look_without_push : settings.freshness.bound / looks_in_a_lease,
            settings.fails_over ? Server::Failover::expected : Server::Failover::none),
        complaints(host.log),
        past(host.zone, server, host.clock, *this, host.slot),
        strict(host.redis, settings.tenants, {&server, &host.clock, &complaints, &past}),
        copy(stripes, settings.limit),
        flights(host.loop,
                [](const std::exception_ptr& error) {
                  return brought_nothing(StoreFailure{Reason::store_unavailable, std::string(text_of(error))});
                }),
        metrics(host.metrics, labels_of(settings)) {
    if (settings.freshness.mode != Mode::max_age && host.channel != nullptr)
      channel.emplace(Channel::Host{*host.channel, host.loop, host.clock, host.random, host.log}, stripes,
                      settings.freshness.bound);
  }

  /// Whether copies may be used at all now. The Redis that tells must be the one that answers.
  [[nodiscard]] bool live(SteadyTime now) const noexcept {
    if (!server.fault().empty()) return false;
    if (host.slot != nullptr && !host.slot->lies_still(now, settings.freshness.bound)) return false;
    switch (settings.freshness.mode) {
      case Mode::push: return hears(now);
      // A Redis that may acknowledge a write before it tells of it proves nothing.
      case Mode::strict: return hears(now) && !server.threads();
      case Mode::max_age: return true;
    }
    return false;
  }

  [[nodiscard]] std::optional<std::uint64_t> heard() const noexcept override {
    if (!hears(host.clock.moment())) return std::nullopt;
    return channel->invalidations() + channel->connects();
  }

  [[nodiscard]] bool hears(SteadyTime now) const noexcept {
    return channel && channel->live(now) && (server.run_id().empty() || server.run_id() == channel->run_id());
  }

  [[nodiscard]] SteadyTime end_of(SteadyTime sent, std::optional<Milliseconds> left) const noexcept {
    SteadyTime out = left ? sent + *left : SteadyTime::max();
    if (settings.freshness.mode == Mode::max_age) out = std::min(out, sent + settings.freshness.bound);
    return out;
  }

  struct Look {
    std::optional<Answer> answer;
    std::vector<Want> wanted;
    bool meta = false;  ///< whether it must be asked for
  };

  /// What can be said without asking, or what must be asked for.
  [[nodiscard]] Look look(const PrincipalPtr& principal, std::string_view operation, const CopySource::Fresh& fresh,
                          SteadyTime now) {
    Look out;
    auto facts = std::make_shared<CopiedFacts>();
    CopySource source(copy, stripes, fresh, now, *facts);
    Missing missing;
    gather(*principal, operation, source, hints, *facts, missing);
    out.wanted = std::move(missing.wanted);
    const CopiedMeta* meta = copy.meta(principal->tenant, now);
    out.meta = meta == nullptr;
    if (out.meta) return out;
    if (!missing.broken.empty()) {
      out.answer = fail(StoreFailure{Reason::store_invalid, std::move(missing.broken)});
    } else if (out.wanted.empty()) {
      facts->ends = std::min(facts->ends, meta->ends);
      if (source.all_copied()) copy.remember(principal, operation, facts);
      out.answer = policy::FactsPtr(std::move(facts));
    }
    return out;
  }

  Task<Answer> ask(PrincipalPtr principal, std::string operation) {
    CopySource::Fresh fresh;
    for (int i = 0; i < max_trips; ++i) {
      const SteadyTime now = host.clock.moment();
      if (!live(now)) break;
      Look looked = look(principal, operation, fresh, now);
      if (looked.answer) co_return *std::move(looked.answer);
      const std::string name = flight_name(principal->tenant, looked.wanted, looked.meta);
      auto work = [this, tenant = principal->tenant, wants = std::move(looked.wanted), meta = looked.meta] {
        return bring(tenant, wants, meta);
      };
      auto flying = flights.run(name, std::move(work));
      const BroughtPtr brought = co_await std::move(flying);
      if (brought->failure) co_return fail(*brought->failure);
      if (!brought->whole) break;
      for (const auto& [key, copied] : brought->copies) fresh.insert_or_assign(key, copied);
    }
    auto asking = strict.facts(principal, operation);
    co_return co_await std::move(asking);
  }

  /// One trip, into the copy. Without a failure and without copies: it can't be told what they belong to, ask again.
  Task<BroughtPtr> bring(std::string tenant, std::vector<Want> wants, bool with_meta) {
    const std::string meta_key = policy_key(tenant, "meta");
    std::vector<Stripes::Stamp> noted;
    noted.reserve(wants.size());
    for (const Want& want : wants) noted.push_back(stripes.stamp(want.key));
    const Stripes::Stamp meta_noted = stripes.stamp(meta_key);
    const SteadyTime sent = host.clock.moment();

    Trip trip{.tenant = tenant, .wants = wants, .meta = with_meta, .ends = true, .questions = policy::Questions::many};
    auto travelling = travel({host.redis, &server, &host.clock, &complaints}, std::move(trip));
    auto answer = co_await std::move(travelling);
    if (!answer) co_return brought_nothing(std::move(answer.error()));
    if (answer->another_server) stripes.move_all();
    follow_slot();
    if (!answer->believable || !live(host.clock.moment())) co_return brought_nothing();
    if (answer->meta && !settle_meta(tenant, *answer->meta, meta_noted, sent)) co_return not_whole();
    const CopiedMeta* meta = copy.meta(tenant, host.clock.moment());
    if (meta == nullptr) co_return brought_nothing();
    // What isn't there may be where another worker has seen it go.
    if (host.slot != nullptr && !past.admits(tenant, meta->meta)) {
      stripes.move_all();
      co_return not_whole();
    }
    if (!answer->of(meta->meta)) {
      // The policy was written, and the message about it is still on its way: which copies it takes can't be told.
      stripes.move_all();
      co_return brought_nothing();
    }
    co_return keep(wants, noted, sent, *answer);
  }

  /// What was copied belongs to a slot that lay elsewhere, or lay still: whether all of it is there is asked anew.
  void follow_slot() noexcept {
    if (host.slot == nullptr || host.slot->changes == slot_changes) return;
    slot_changes = host.slot->changes;
    stripes.move_all();
  }

  static BroughtPtr not_whole() {
    auto out = std::make_shared<Brought>();
    out->whole = false;
    return out;
  }

  /// False if the store isn't known to be whole: another worker has seen more of it.
  bool settle_meta(const std::string& tenant, const Meta& meta, Stripes::Stamp noted, SteadyTime sent) {
    if (!past.admits(tenant, meta)) {
      stripes.move_all();
      return false;
    }
    // Another version, and nothing was heard of it yet: what is copied belongs to the older one.
    const CopiedMeta* known = copy.meta(tenant, host.clock.moment());
    if (known != nullptr && known->meta != meta) stripes.move_all();
    copy.put_meta(tenant, {meta, noted, end_of(sent, std::nullopt)});
    return true;
  }

  /// Whether copies hold for a call that begins now.
  Task<Proof> prove(const std::string& tenant) {
    auto known = proofs.find(tenant);
    if (known == proofs.end()) {
      auto work = [this, tenant] { return ask_for_proof(tenant); };
      known = proofs
                  .emplace(tenant, std::make_unique<NextFlight<Proof>>(host.loop, std::move(work),
                                                                       [](const auto& error) {
                                                                         return disproof({Reason::store_unavailable,
                                                                                          std::string(text_of(error))});
                                                                       }))
                  .first;
    }
    return known->second->run();
  }

  Task<Proof> ask_for_proof(std::string tenant) {
    const Stripes::Stamp noted = stripes.stamp(policy_key(tenant, "meta"));
    const SteadyTime sent = host.clock.moment();
    Begun<std::string> beating(host.loop, channel->beat());
    Trip trip{.tenant = tenant, .wants = {}, .meta = true};
    auto travelling = travel({host.redis, &server, &host.clock, &complaints}, std::move(trip));
    auto answer = co_await std::move(travelling);
    co_await beating.ended();
    const bool heard = beating.take().empty();
    if (!answer) co_return disproof(std::move(answer.error()));
    if (answer->another_server) stripes.move_all();
    const SteadyTime now = host.clock.moment();
    const bool believable = heard && answer->believable && live(now);
    Proof out;
    out.holds = believable && settle_meta(tenant, *answer->meta, noted, sent) && copy.meta(tenant, now) != nullptr;
    co_return out;
  }

  /// A call of `strict`. Whatever isn't proven is asked for, as if there were no copy.
  Task<Answer> ask_strictly(PrincipalPtr principal, std::string operation) {
    auto proving = prove(principal->tenant);
    Proof proof = co_await std::move(proving);
    const SteadyTime now = host.clock.moment();
    if (!proof.failure && proof.holds && live(now)) {
      if (auto known = at_hand(principal, operation, now)) co_return *std::move(known);
      metrics.miss();
      auto asking = ask(std::move(principal), std::move(operation));
      co_return co_await std::move(asking);
    }
    metrics.miss();
    if (proof.failure) co_return fail(*std::move(proof.failure));
    auto asking = strict.facts(principal, operation);
    co_return co_await std::move(asking);
  }

  /// What the copy says, where it says all that is needed.
  std::optional<Answer> at_hand(const PrincipalPtr& principal, std::string_view operation, SteadyTime now) {
    if (auto known = copy.facts(*principal, operation, now)) {
      metrics.hit();
      return Answer(std::move(known));
    }
    auto looked = look(principal, operation, {}, now);
    if (looked.answer) metrics.hit();
    return std::move(looked.answer);
  }

  /// What was known of it, where the operator allows that; null: it is too old, or something speaks against it.
  policy::FactsPtr last_known(const Principal& principal, std::string_view operation) {
    const SteadyTime now = host.clock.moment();
    if (!channel || now > channel->heard_at() + settings.grace || !server.fault().empty()) return nullptr;
    const auto last = copy.last_facts(principal, operation, now);
    // What another worker has seen of the store since then counts here, too.
    if (!last.facts || !past.admits(principal.tenant, last.meta->meta)) return nullptr;
    auto out = std::make_shared<policy::Facts>(*last.facts);
    out->keep = last.facts;
    out->grace = true;
    return out;
  }

  /// Asks, and where nobody answers, says what was known.
  Task<Answer> ask_or_recall(PrincipalPtr principal, std::string operation) {
    auto asking = strict.facts(principal, operation);
    auto answer = co_await std::move(asking);
    if (answer || !answer.error().unreached) co_return answer;
    if (auto known = last_known(*principal, operation)) co_return policy::FactsPtr(std::move(known));
    co_return answer;
  }

  BroughtPtr keep(const std::vector<Want>& wants, const std::vector<Stripes::Stamp>& noted, SteadyTime sent,
                  const TripAnswer& answer) {
    auto out = std::make_shared<Brought>();
    for (std::size_t i = 0; i < wants.size(); ++i) {
      const RecordPtr& record = answer.records[i];
      if (!record->lasting) {
        out->failure = StoreFailure{Reason::store_invalid, record->broken};
        continue;
      }
      Copied copied{record, noted[i], end_of(sent, answer.left[i])};
      copy.put(wants[i].key, copied);
      out->copies.emplace_back(wants[i].key, std::move(copied));
    }
    return out;
  }

  /// Looks at the server and at every tenant's meta, as often as the channel beats: a store that forgets may do so
  /// without a word, and copies know nothing of it.
  Task<void> watch() {
    while (true) {
      for (const std::string& tenant : copy.tenants()) {
        auto bringing = bring(tenant, {}, true);
        const auto brought = co_await std::move(bringing);
        // What a call would be refused for, it is refused for: nothing is decided by copies of such a store.
        if (brought->failure && brought->failure->reason != Reason::store_unavailable) stripes.move_all();
        if (host.slot == nullptr) continue;
        auto raising = bear_witness(tenant);
        co_await std::move(raising);
      }
      metrics.show(copy, channel ? &*channel : nullptr);
      co_await host.loop.sleep(settings.freshness.bound / looks_in_a_lease);
    }
  }

  /// What was heard of by now is written before it: a node that has it has the rest. Only the node that was judged to
  /// have all there was is told.
  Task<void> bear_witness(std::string tenant) {
    const auto now = heard();
    const bool judged = copy.meta(tenant, host.clock.moment()) != nullptr && server.known(host.redis.connection());
    // Where nothing is heard of, there may always have been something.
    const SteadyTime moment = host.clock.moment();
    if (!judged || (now && now == witnessed) || (!now && moment < witness_due)) co_return;
    witness_due = moment + look_without_push;
    const std::string key = witness_key(tenant);
    auto raising = raise.run(host.redis, {key}, {std::to_string(past.witness(tenant))});
    const auto said = co_await std::move(raising);
    if (!said) {
      complaints.broken(key, "key " + key + ": " + said.error(), "after a failover it can't be told what was lost");
      co_return;
    }
    complaints.whole(key);
    if (said->type != RedisReply::Type::integer || said->integer <= 0) co_return;
    past.raised(tenant, static_cast<std::uint64_t>(said->integer));
    witnessed = now;
  }

  [[nodiscard]] status::StoreKind kind() const noexcept {
    switch (settings.freshness.mode) {
      case Mode::push: return status::StoreKind::push;
      case Mode::strict: return status::StoreKind::strict;
      case Mode::max_age: return status::StoreKind::max_age;
    }
    return status::StoreKind::none;
  }

  void tell(status::Report& report) const {
    status::Store& out = report.store;
    out.kind = kind();
    out.usable = 1;
    const SteadyTime now = host.clock.moment();
    out.hears = settings.freshness.mode != Mode::max_age && server.fault().empty() && hears(now) ? 1 : 0;
    if (!server.fault().empty()) out.trouble.set(server.fault());
    out.bound = settings.freshness.bound.count();
    out.hits = metrics.own_hits;
    out.misses = metrics.own_misses;
    out.evictions = copy.evictions();
    out.entries = copy.size();
    out.bytes = copy.bytes();
    out.limit = settings.limit;
    if (channel) {
      if (channel->connects() > 0) out.heartbeat = (host.clock.now() - channel->last_heartbeat()).count();
      out.invalidations = channel->invalidations();
      out.connects = channel->connects();
    }
    for (const auto& [name, meta] : copy.metas()) {
      if (report.tenants++ >= status::most_tenants) continue;
      status::Tenant& tenant = report.tenant[report.tenants - 1];
      tenant.name.set(name);
      tenant.incarnation.set(meta.meta.incarnation);
      tenant.version = meta.meta.version;
      tenant.current = copy.meta(name, now) != nullptr ? 1 : 0;
      const Record* const record = copy.peek(policy_key(name, "tenant"));
      const auto* known = record != nullptr ? record->get<TenantRecord>() : nullptr;
      tenant.stopped = known != nullptr && known->stopped ? 1 : 0;
    }
  }

  [[nodiscard]] StoreHealth judged(StoreHealth health) const {
    if (settings.freshness.mode == Mode::push && !live(host.clock.moment())) {
      if (!health.detail.empty()) health.detail += "; ";
      health.detail += "this worker doesn't hear of changes: every call asks Redis";
    }
    return health;
  }

  Task<StoreHealth> ask_health() {
    auto asking = strict.health();
    auto health = co_await std::move(asking);
    co_return judged(std::move(health));
  }

  Host host;
  CopySettings settings;
  Server server;
  Complaints complaints;
  Past past;
  RedisStore strict;
  Stripes stripes;
  std::optional<Channel> channel;
  Copy copy;
  BundleHints hints;
  SingleFlight<BroughtPtr> flights;
  std::unordered_map<std::string, std::unique_ptr<NextFlight<Proof>>> proofs;  ///< by tenant
  RedisScript raise{raise_witness};
  std::optional<std::uint64_t> witnessed;  ///< what was heard of when the witness was raised last
  std::uint64_t slot_changes = 0;  ///< of its slot, that copies are of
  SteadyTime witness_due = SteadyTime::min();
  CopyMetrics metrics;
};

CopyingStore::CopyingStore(Host host, CopySettings settings)
    : state_(std::make_unique<State>(host, std::move(settings))) {}
CopyingStore::~CopyingStore() = default;

void CopyingStore::start() {
  if (state_->channel) state_->channel->start();
  state_->host.loop.keep([state = state_.get()] { return state->watch(); });
}

ValueTask<Result<policy::FactsPtr, StoreFailure>> CopyingStore::facts(const PrincipalPtr& principal,
                                                                      std::string_view operation) {
  State& state = *state_;
  const SteadyTime now = state.host.clock.moment();
  state.follow_slot();
  if (!state.live(now)) {
    state.metrics.miss();
    if (state.settings.grace.count() > 0) return state.ask_or_recall(principal, std::string(operation));
    return state.strict.facts(principal, operation);
  }
  if (state.settings.freshness.mode == Freshness::Mode::strict)
    return state.ask_strictly(principal, std::string(operation));
  if (auto known = state.at_hand(principal, operation, now)) return *std::move(known);
  state.metrics.miss();
  return state.ask(principal, std::string(operation));
}

ValueTask<StoreHealth> CopyingStore::health() { return state_->ask_health(); }

void CopyingStore::tell(status::Report& report) const { state_->tell(report); }

}  // namespace agw::grants
