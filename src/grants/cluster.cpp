#include "agw/grants/cluster.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agw/grants/redis_codec.h"
#include "agw/grants/sentinel.h"
#include "agw/io/begun.h"

namespace agw::grants {
namespace {

/// Nodes of one Cluster, and ranges of slots that one of them tells of: each slot on its own is the worst.
constexpr std::size_t shortest_range = 3;
constexpr std::size_t shortest_place = 2;
constexpr Milliseconds first_pause{2};
constexpr Milliseconds longest_pause{50};

bool is_slot(const RedisReply& reply) noexcept {
  return reply.type == RedisReply::Type::integer && reply.integer >= 0 && reply.integer < slots;
}

/// A node that doesn't know its own name says nothing: it is the one that was asked.
std::optional<RedisPlace> read_node(const RedisReply& reply, std::string_view asked) {
  if (reply.type != RedisReply::Type::array || reply.elements.size() < shortest_place) return std::nullopt;
  const RedisReply& host = reply.elements[0];
  const RedisReply& port = reply.elements[1];
  const bool nameless =
      host.type == RedisReply::Type::nil || (host.type == RedisReply::Type::text && host.text.empty());
  if (!nameless && host.type != RedisReply::Type::text) return std::nullopt;
  if (port.type != RedisReply::Type::integer) return std::nullopt;
  return read_place(nameless ? asked : std::string_view(host.text), std::to_string(port.integer));
}

/// `10.0.0.1:6379`, `::1:6379`, `:6379`.
std::optional<RedisPlace> read_address(std::string_view text, std::string_view asked) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return read_place(colon == 0 ? asked : text.substr(0, colon), text.substr(colon + 1));
}

bool serves(const RedisReply& info) {
  return info.type == RedisReply::Type::text && info.text.find("cluster_state:ok") != std::string::npos;
}

std::uint64_t number_of(const RedisReply& reply) noexcept {
  std::uint64_t out = 0;
  if (reply.type != RedisReply::Type::text) return 0;
  const char* const end = reply.text.data() + reply.text.size();
  const auto [stop, error] = std::from_chars(reply.text.data(), end, out);
  return error == std::errc() && stop == end ? out : 0;
}

std::string_view host_of(std::string_view place) noexcept { return place.substr(0, place.rfind(':')); }

RedisReply unreachable(std::string_view why) {
  RedisReply out;
  out.type = RedisReply::Type::error;
  out.text = "UNREACHABLE " + std::string(why);
  return out;
}

}  // namespace

Slot slot_of(std::string_view tag) noexcept {
  // CRC-16/XMODEM, as the Cluster's specification says.
  constexpr unsigned polynomial = 0x1021;
  unsigned crc = 0;
  for (const char c : tag) {
    crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8U;
    for (int bit = 0; bit < 8; ++bit) crc = ((crc & 0x8000U) != 0 ? (crc << 1U) ^ polynomial : crc << 1U) & 0xFFFFU;
  }
  return static_cast<Slot>(crc % slots);
}

std::vector<RedisCommand> topology_questions() { return {{"CLUSTER", "SLOTS"}, {"CLUSTER", "INFO"}}; }

std::optional<Topology> Topology::read(std::span<const RedisReply> replies, std::string_view asked) {
  if (replies.size() != topology_answers || !serves(replies[1])) return std::nullopt;
  if (replies[0].type != RedisReply::Type::array) return std::nullopt;
  Topology out;
  out.ranges_.reserve(replies[0].elements.size());
  for (const RedisReply& range : replies[0].elements) {
    const auto& parts = range.elements;
    if (range.type != RedisReply::Type::array || parts.size() < shortest_range) return std::nullopt;
    if (!is_slot(parts[0]) || !is_slot(parts[1]) || parts[0].integer > parts[1].integer) return std::nullopt;
    auto place = read_node(parts[2], asked);
    // One whose name nobody knows may be known later; the others are there.
    if (!place) continue;
    out.ranges_.push_back(
        {static_cast<Slot>(parts[0].integer), static_cast<Slot>(parts[1].integer), *std::move(place)});
  }
  return out;
}

const RedisPlace* Topology::owner(Slot slot) const noexcept {
  for (const Range& range : ranges_)
    if (slot >= range.first && slot <= range.last) return &range.place;
  return nullptr;
}

std::optional<Redirection> read_redirection(const RedisReply& reply, std::string_view asked) {
  if (reply.type != RedisReply::Type::error) return std::nullopt;
  std::string_view rest = reply.text;
  const auto word = [&rest] {
    const std::string_view out = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(out.size() + 1, rest.size()));
    return out;
  };
  using Kind = Redirection::Kind;
  const std::string_view kind = word();
  if (kind == "TRYAGAIN") return Redirection{Kind::again, std::nullopt};
  if (kind == "CLUSTERDOWN") return Redirection{Kind::down, std::nullopt};
  if (kind != "MOVED" && kind != "ASK") return std::nullopt;
  static_cast<void>(word());
  auto place = read_address(word(), asked);
  if (kind == "MOVED") return Redirection{Kind::moved, std::move(place)};
  return Redirection{place ? Kind::ask : Kind::again, std::move(place)};
}

class Cluster::Guide final : public SlotGuide {
 public:
  Guide(Cluster& cluster, Slot slot) : cluster_(cluster), slot_(slot) {}

  [[nodiscard]] Task<std::optional<RedisPlace>> master() override {
    auto looking = cluster_.look();
    const OwnersPtr owners = co_await std::move(looking);
    co_return settled(owner_in(owners.get()));
  }
  void moved(const RedisPlace& to) override {
    hearsay_ = to;
    hearsay_ends_ = cluster_.clock_.moment() + hearsay;
  }
  [[nodiscard]] std::string_view lost() const noexcept override {
    return "no majority of the Cluster's nodes that are asked says which one has the tenant";
  }
  [[nodiscard]] bool hands_over() const noexcept override { return true; }
  void follow(MasterFollower& follower) override { followers_.push_back(&follower); }
  void leave(MasterFollower& follower) noexcept override { std::erase(followers_, &follower); }

  void tell(const Owners& owners) {
    const auto place = settled(owner_in(&owners));
    if (!place) return;
    for (MasterFollower* follower : followers_) follower->master_is(*place);
  }

 private:
  /// What a majority says, unless it has yet to hear.
  [[nodiscard]] std::optional<RedisPlace> settled(std::optional<RedisPlace> said) {
    if (!hearsay_) return said;
    if (said != hearsay_ && cluster_.clock_.moment() < hearsay_ends_) return hearsay_;
    hearsay_.reset();
    return said;
  }
  [[nodiscard]] std::optional<RedisPlace> owner_in(const Owners* owners) const {
    if (owners == nullptr) return std::nullopt;
    const auto found = owners->find(slot_);
    return found == owners->end() ? std::nullopt : std::optional(found->second);
  }

  Cluster& cluster_;
  Slot slot_;
  std::optional<RedisPlace> hearsay_;
  SteadyTime hearsay_ends_{};
  std::vector<MasterFollower*> followers_;
};

/// An election for each slot.
class Cluster::Count {
 public:
  Count(Loop& loop, const std::map<Slot, std::unique_ptr<Guide>>& wanted, std::size_t seeds) : over_(loop) {
    for (const auto& [slot, guide] : wanted) elections_.emplace(slot, Election(seeds));
  }

  void vote(const Topology* said) noexcept {
    for (auto& [slot, election] : elections_) election.vote(said == nullptr ? nullptr : said->owner(slot));
    const bool over = std::all_of(elections_.begin(), elections_.end(), [](const auto& e) { return e.second.over(); });
    if (over) over_.set(true);
  }
  [[nodiscard]] Completion<bool>& over() noexcept { return over_; }
  [[nodiscard]] Owners elected() const {
    Owners out;
    for (const auto& [slot, election] : elections_)
      if (const RedisPlace* place = election.elected()) out.emplace(slot, *place);
    return out;
  }

 private:
  std::map<Slot, Election> elections_;
  Completion<bool> over_;
};

Cluster::Cluster(Loop& loop, const Clock& clock, std::vector<Seed> seeds)
    : loop_(loop),
      clock_(clock),
      seeds_(std::move(seeds)),
      flights_(loop, [](const std::exception_ptr&) { return OwnersPtr(); }) {}
Cluster::~Cluster() = default;

SlotGuide& Cluster::guide(Slot slot) {
  auto& known = guides_[slot];
  if (known == nullptr) known = std::make_unique<Guide>(*this, slot);
  return *known;
}

Task<Cluster::OwnersPtr> Cluster::look() {
  return flights_.run("slots", [this] { return ask(); });
}

Task<Cluster::OwnersPtr> Cluster::ask() {
  Count count(loop_, guides_, seeds_.size());
  std::vector<Task<void>> asking;
  asking.reserve(seeds_.size());
  for (const Seed& seed : seeds_) asking.push_back(ask_one(seed, count));
  for (Task<void>& one : asking) one.start();
  co_await count.over();
  co_return std::make_shared<const Owners>(count.elected());
}

Task<void> Cluster::ask_one(const Seed& seed, Count& count) {
  std::optional<Topology> said;
  try {
    auto asking = seed.redis->pipeline(topology_questions());
    const auto replies = co_await std::move(asking);
    if (replies) said = Topology::read(*replies, seed.host);
  } catch (...) {
    // Without memory for what it says it has said nothing; those who wait must hear of that, too.
    said.reset();
  }
  count.vote(said ? &*said : nullptr);
}

Task<void> Cluster::watch() {
  while (true) {
    auto looking = look();
    if (const OwnersPtr owners = co_await std::move(looking))
      for (const auto& [slot, guide] : guides_) guide->tell(*owners);
    co_await loop_.sleep(pause);
  }
}

std::string witness_key(std::string_view tenant) { return volatile_key(tenant, "witness"); }
std::string probe_key(std::string_view tenant) { return volatile_key(tenant, "never"); }

/// One pipeline, until all of it is answered.
struct SlotRedis::Round {
  std::vector<RedisReply> replies;
  std::size_t probe = 0;
  std::string moving_to;
  SteadyTime sent{};  ///< when the node that answered the probe was asked
};

SlotRedis::SlotRedis(Host host, std::string_view tenant, Milliseconds patience)
    : host_(host),
      tenant_(tenant),
      tail_{{"GET", witness_key(tenant)}, {"EXISTS", probe_key(tenant)}, {"CLUSTER", "INFO"}},
      patience_(patience),
      flow_(std::make_shared<Flow>(Flow{&host_.connection})) {}

SlotRedis::~SlotRedis() { flow_->connection = nullptr; }

/// Said once, until it is well again.
RedisError SlotRedis::without(std::string_view why) {
  if (said_ != why) {
    said_ = why;
    host_.log.write(LogLevel::error, "agent_store: the keys of tenant " + tenant_ + " can't be asked for at " +
                                         host_.connection.where() + ": " + said_);
  }
  return RedisError::closed;
}

/// Whoever leaves a node lets it answer what it was asked before.
class SlotRedis::UnderWay {
 public:
  explicit UnderWay(std::shared_ptr<Flow> flow) noexcept : flow_(std::move(flow)) { ++flow_->under_way; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  ~UnderWay() {
    --flow_->under_way;
    if (flow_->under_way > 0 || !flow_->leaving || flow_->connection == nullptr) return;
    flow_->leaving = false;
    flow_->connection->leave_owner();
  }

 private:
  std::shared_ptr<Flow> flow_;
};

Task<SlotRedis::Answer> SlotRedis::pipeline(std::vector<RedisCommand> commands) {
  const std::size_t wanted = commands.size();
  commands.insert(commands.end(), tail_.begin(), tail_.end());
  const SteadyTime until = host_.clock.moment() + patience_;
  Round round;
  round.replies.reserve(commands.size());
  round.probe = wanted + 1;
  Milliseconds pause = first_pause;
  while (true) {
    const std::size_t before = round.replies.size();
    auto asking = ask(commands, round);
    if (const auto error = co_await std::move(asking)) co_return fail(*error);
    if (round.replies.size() == commands.size()) co_return settle(round, wanted);
    if (host_.clock.moment() >= until) co_return fail(without("their slot is being moved"));
    // One that was answered elsewhere is no reason to wait.
    if (round.replies.size() > before && !flow_->leaving) continue;
    co_await host_.loop.sleep(pause);
    pause = std::min(pause * 2, longest_pause);
  }
}

/// What isn't answered yet, up to the first command that is refused.
Task<std::optional<RedisError>> SlotRedis::ask(const std::vector<RedisCommand>& commands, Round& round) {
  if (flow_->leaving) co_return std::nullopt;
  std::optional<Redirection> refused;
  {
    const UnderWay under_way(flow_);
    const auto begin = commands.begin() + static_cast<std::ptrdiff_t>(round.replies.size());
    std::vector<RedisCommand> rest(begin, commands.end());
    const std::size_t asked = rest.size();
    round.sent = host_.clock.moment();
    auto going = host_.owner.pipeline(std::move(rest));
    auto replies = co_await std::move(going);
    if (!replies) co_return replies.error();
    if (replies->size() != asked) co_return RedisError::protocol;
    const std::string place = host_.connection.where();
    for (RedisReply& reply : *replies) {
      refused = read_redirection(reply, host_of(place));
      if (refused) break;
      round.replies.push_back(std::move(reply));
    }
    if (refused && refused->kind == Redirection::Kind::moved) {
      flow_->leaving = true;
      if (refused->to) host_.guide.moved(*refused->to);
    }
  }
  if (!refused || refused->kind == Redirection::Kind::moved) co_return std::nullopt;
  if (refused->kind == Redirection::Kind::down) co_return without("the Cluster doesn't serve their slot (CLUSTERDOWN)");
  if (refused->kind == Redirection::Kind::again) co_return std::nullopt;
  round.moving_to = refused->to->text();
  const std::size_t at = round.replies.size();
  if (at == round.probe) {
    round.replies.emplace_back();
    co_return std::nullopt;
  }
  auto asking = ask_there(commands[at], *refused->to, round);
  co_await std::move(asking);
  co_return std::nullopt;
}

/// What is at the other node already, or nowhere. Without an answer it is asked for again, from the beginning.
Task<void> SlotRedis::ask_there(const RedisCommand& command, const RedisPlace& place, Round& round) {
  auto asking = host_.nodes.at(place).pipeline({{"ASKING"}, command});
  auto replies = co_await std::move(asking);
  if (!replies || replies->size() != 2 || read_redirection(replies->back(), place.host)) co_return;
  round.replies.push_back(std::move(replies->back()));
}

SlotRedis::Answer SlotRedis::settle(Round& round, std::size_t wanted) {
  const auto& replies = round.replies;
  for (std::size_t i = wanted; i < replies.size(); ++i) {
    if (replies[i].type != RedisReply::Type::error) continue;
    const std::string word = replies[i].text.substr(0, replies[i].text.find(' '));
    return fail(without("it refuses GET, EXISTS or CLUSTER INFO (" + word +
                        (word == "NOPERM" ? "): the gateway's user needs +@read +cluster|info" : ")")));
  }
  if (!serves(replies.back())) return fail(without("the node doesn't see a Cluster that works (cluster_state)"));
  if (!said_.empty()) host_.log.write(LogLevel::notice, "agent_store: the keys of tenant " + tenant_ + " are served");
  said_.clear();
  std::string owner = host_.connection.where();
  if (owner != state_.owner || round.moving_to != state_.moving_to) ++state_.changes;
  state_.owner = std::move(owner);
  state_.witness = number_of(replies[wanted]);
  state_.moving_to = round.moving_to;
  if (round.moving_to.empty()) state_.still = std::max(state_.still, round.sent);
  round.replies.resize(wanted);
  return std::move(round.replies);
}

Redis* TenantsRedis::of(const RedisCommand& command) const {
  for (const std::string& part : command) {
    if (!part.starts_with("agw:p:{") && !part.starts_with("agw:v:{")) continue;
    constexpr std::size_t begin = 7;
    const auto found = tenants_.find(std::string_view(part).substr(begin, part.find('}', begin) - begin));
    return found == tenants_.end() ? nullptr : found->second;
  }
  return nullptr;
}

Task<Result<std::vector<RedisReply>, RedisError>> TenantsRedis::pipeline(std::vector<RedisCommand> commands) {
  using Answer = Result<std::vector<RedisReply>, RedisError>;
  struct Part {
    Redis* redis = nullptr;
    std::vector<RedisCommand> commands;
    std::vector<std::size_t> places;
    std::unique_ptr<Begun<Answer>> asking;
  };
  std::vector<Part> parts;
  std::vector<RedisReply> out(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    Redis* const redis = of(commands[i]);
    if (redis == nullptr) {
      out[i] = unreachable("no such tenant");
      continue;
    }
    auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& one) { return one.redis == redis; });
    if (part == parts.end()) part = parts.insert(parts.end(), Part{redis, {}, {}, nullptr});
    part->commands.push_back(std::move(commands[i]));
    part->places.push_back(i);
  }
  for (Part& part : parts)
    part.asking = std::make_unique<Begun<Answer>>(loop_, part.redis->pipeline(std::move(part.commands)));
  std::optional<RedisError> error;
  bool answered = parts.empty();
  for (Part& part : parts) {
    co_await part.asking->ended();
    auto replies = part.asking->take();
    const bool whole = replies && replies->size() == part.places.size();
    answered = answered || whole;
    if (!whole) error = replies ? RedisError::protocol : replies.error();
    for (std::size_t i = 0; i < part.places.size(); ++i)
      out[part.places[i]] = whole ? std::move((*replies)[i]) : unreachable(to_string(*error));
  }
  if (!answered) co_return fail(*error);
  co_return out;
}

}  // namespace agw::grants
