#include "channel.h"

#include <algorithm>
#include <span>
#include <utility>

namespace agw::grants {
namespace {

constexpr std::string_view prefix = "agw:p:";
constexpr std::string_view invalidations_channel = "__redis__:invalidate";
constexpr int beats_in_a_lease = 4;
constexpr Milliseconds first_pause{50};
constexpr Milliseconds longest_pause{2000};

bool is_text(const RedisReply& reply, std::string_view text) {
  return reply.type == RedisReply::Type::text && reply.text == text;
}

bool is_array(const RedisReply& reply, std::size_t size, std::string_view first) {
  return reply.type == RedisReply::Type::array && reply.elements.size() == size && is_text(reply.elements[0], first);
}

}  // namespace

Channel::Channel(Host host, Stripes& stripes, Milliseconds lease) : host_(host), stripes_(stripes), lease_(lease) {
  host_.redis.listen(this);
}

Channel::~Channel() { host_.redis.listen(nullptr); }

void Channel::start() {
  host_.loop.keep([this] { return run(); });
}

void Channel::lose() noexcept {
  until_ = SteadyTime::min();
  run_id_.clear();
  broken_ = true;
  stripes_.go_deaf();
}

void Channel::doubt() noexcept {
  stripes_.move_all();
  lose();
}

void Channel::lost() noexcept { lose(); }

/// A list of keys; nil when everything was flushed. What isn't understood may have been either.
void Channel::heard(const RedisReply& message) noexcept {
  const bool expected = is_array(message, 3, "message") && is_text(message.elements[1], invalidations_channel);
  if (!expected) return doubt();
  const RedisReply& content = message.elements[2];
  ++invalidations_;
  if (content.type == RedisReply::Type::nil) return stripes_.move_all();
  if (content.type != RedisReply::Type::array) return doubt();
  for (const RedisReply& key : content.elements) {
    if (key.type != RedisReply::Type::text) return doubt();
    stripes_.move(key.text);
  }
}

/// Half to all of a time that doubles, so that workers and machines don't come back together.
Milliseconds Channel::pause() {
  const Milliseconds longest = std::min(first_pause * (1U << std::min(failures_, 6U)), longest_pause);
  ++failures_;
  return longest / 2 + Milliseconds(host_.random.next() % static_cast<std::uint64_t>(longest.count() / 2 + 1));
}

Task<void> Channel::run() {
  while (true) {
    // Also where an exception ended the last turn: nothing of its connection is used on.
    lose();
    host_.redis.close();
    auto following = follow();
    const std::string why = co_await std::move(following);
    lose();
    host_.redis.close();
    const Milliseconds rest = pause();
    if (failures_ <= 1)
      host_.log.write(LogLevel::warn, "agent_store: the worker doesn't hear of changes (" + why +
                                          "); until it does, every call asks Redis");
    co_await host_.loop.sleep(rest);
  }
}

/// Why the connection can't be used; empty when it hears.
Task<std::string> Channel::subscribe() {
  std::vector<RedisCommand> greeting = server_questions();
  greeting.push_back({"CLIENT", "ID"});
  auto greeted = host_.redis.pipeline(std::move(greeting));
  const auto said = co_await std::move(greeted);
  if (!said) co_return std::string(to_string(said.error()));
  if (said->size() != server_answers + 1) co_return "an answer is missing";
  const ServerFacts server = read_server(std::span(*said).first(server_answers));
  if (!server.fault.empty()) co_return server.fault;
  const RedisReply& id = said->back();
  if (id.type != RedisReply::Type::integer) co_return "Redis refuses CLIENT ID: the gateway's user needs +client";

  std::vector<RedisCommand> asking = {
      {"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string(id.integer), "BCAST", "PREFIX", std::string(prefix)},
      {"SUBSCRIBE", std::string(invalidations_channel)}};
  auto tracking = host_.redis.pipeline(std::move(asking));
  const auto tracked = co_await std::move(tracking);
  if (!tracked) co_return std::string(to_string(tracked.error()));
  if (tracked->size() != 2 || !is_text(tracked->front(), "OK"))
    co_return "Redis refuses CLIENT TRACKING: the gateway's user needs +client";
  if (!is_array(tracked->back(), 3, "subscribe"))
    co_return "Redis refuses SUBSCRIBE: the gateway's user needs +subscribe &" + std::string(invalidations_channel);
  run_id_ = server.run_id;
  co_return std::string();
}

Task<std::string> Channel::beat() {
  if (run_id_.empty()) co_return "no connection";
  const std::uint64_t connection = host_.redis.connection();
  const SteadyTime sent = host_.clock.moment();
  const WallTime sent_at = host_.clock.now();
  const std::string token = std::to_string(++beats_);
  std::vector<RedisCommand> beat = {{"PING", token}};
  auto beating = host_.redis.pipeline(std::move(beat));
  const auto answered = co_await std::move(beating);
  if (!answered) co_return std::string(to_string(answered.error()));
  // Of a connection that was opened anew meanwhile, the answer says nothing about this one.
  if (broken_ || connection != host_.redis.connection()) co_return "the connection broke";
  // Of one that listens to nothing, it has another form.
  if (answered->size() != 1 || !is_array(answered->front(), 2, "pong") ||
      !is_text(answered->front().elements[1], token)) {
    doubt();
    co_return "the connection broke";
  }
  until_ = std::max(until_, sent + lease_);
  heard_at_ = std::max(heard_at_, sent);
  last_heartbeat_ = std::max(last_heartbeat_, sent_at);
  co_return std::string();
}

/// One connection, from its beginning to its end; says why it ended.
Task<std::string> Channel::follow() {
  broken_ = false;
  auto subscribing = subscribe();
  if (std::string why = co_await std::move(subscribing); !why.empty()) co_return why;
  // What was read before now may have changed unheard.
  stripes_.hear_again();
  ++connects_;
  while (true) {
    const SteadyTime sent = host_.clock.moment();
    auto beating = beat();
    if (std::string why = co_await std::move(beating); !why.empty()) co_return why;
    if (std::exchange(failures_, 0) > 0)
      host_.log.write(LogLevel::notice, "agent_store: the worker hears of changes again");
    const Milliseconds passed = host_.clock.moment() - sent;
    co_await host_.loop.sleep(std::max(lease_ / beats_in_a_lease - passed, Milliseconds(1)));
    if (broken_) co_return "the connection broke";
  }
}

}  // namespace agw::grants
