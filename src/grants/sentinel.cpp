#include "agw/grants/sentinel.h"

#include <algorithm>

namespace agw::grants {

RedisCommand master_question(std::string_view name) {
  return {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", std::string(name)};
}

std::optional<RedisPlace> read_master(const RedisReply& reply) {
  if (reply.type != RedisReply::Type::array || reply.elements.size() != 2) return std::nullopt;
  for (const RedisReply& element : reply.elements)
    if (element.type != RedisReply::Type::text) return std::nullopt;
  return read_place(reply.elements[0].text, reply.elements[1].text);
}

bool is_master(const RedisReply& reply) noexcept {
  return reply.type == RedisReply::Type::array && !reply.elements.empty() &&
         reply.elements.front().type == RedisReply::Type::text && reply.elements.front().text == "master";
}

void Election::vote(const RedisPlace* place) noexcept {
  ++votes_;
  if (place == nullptr) return;
  try {
    count(*place);
  } catch (...) {
    // Without memory for it it counts for nobody.
    return;
  }
}

void Election::count(const RedisPlace& place) {
  const auto known =
      std::find_if(places_.begin(), places_.end(), [&](const auto& other) { return other.first == place; });
  if (known != places_.end()) {
    ++known->second;
  } else {
    places_.emplace_back(place, 1);
  }
}

const RedisPlace* Election::elected() const noexcept {
  for (const auto& [place, votes] : places_)
    if (2 * votes > sentinels_) return &place;
  return nullptr;
}

bool Election::over() const noexcept {
  if (elected() != nullptr) return true;
  std::size_t most = 0;
  for (const auto& [place, votes] : places_) most = std::max(most, votes);
  return 2 * (most + sentinels_ - votes_) <= sentinels_;
}

Sentinels::Sentinels(Loop& loop, std::vector<Redis*> asked, std::string name)
    : loop_(loop),
      asked_(std::move(asked)),
      name_(std::move(name)),
      flights_(loop, [](const std::exception_ptr&) { return std::optional<RedisPlace>(); }) {}

Task<std::optional<RedisPlace>> Sentinels::master() {
  return flights_.run("master", [this] { return ask(); });
}

Task<std::optional<RedisPlace>> Sentinels::ask() {
  Election election(asked_.size());
  Completion<bool> over(loop_);
  std::vector<Task<void>> asking;
  asking.reserve(asked_.size());
  for (Redis* sentinel : asked_) asking.push_back(ask_one(*sentinel, election, over));
  for (Task<void>& one : asking) one.start();
  co_await over;
  const RedisPlace* elected = election.elected();
  co_return elected == nullptr ? std::nullopt : std::optional(*elected);
}

Task<void> Sentinels::ask_one(Redis& sentinel, Election& election, Completion<bool>& over) {
  std::optional<RedisPlace> said;
  try {
    std::vector<RedisCommand> question{master_question(name_)};
    auto asking = sentinel.pipeline(std::move(question));
    const auto replies = co_await std::move(asking);
    if (replies && replies->size() == 1) said = read_master(replies->front());
  } catch (...) {
    // Without memory for what it says it has said nothing; those who wait must hear of that, too.
    said.reset();
  }
  election.vote(said);
  if (election.over()) over.set(true);
}

Task<void> Sentinels::watch() {
  while (true) {
    auto asking = master();
    if (const auto place = co_await std::move(asking))
      for (MasterFollower* follower : followers_) follower->master_is(*place);
    co_await loop_.sleep(pause);
  }
}

}  // namespace agw::grants
