// As much of a Redis as the stores ask for, and the connection on which it tells of writes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agw/grants/redis_codec.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"

namespace agw::test {

inline RedisReply text_reply(std::string text) {
  RedisReply out;
  out.type = RedisReply::Type::text;
  out.text = std::move(text);
  return out;
}

inline RedisReply error_reply(std::string text) {
  RedisReply out = text_reply(std::move(text));
  out.type = RedisReply::Type::error;
  return out;
}

inline RedisReply integer_reply(std::int64_t value) {
  RedisReply out;
  out.type = RedisReply::Type::integer;
  out.integer = value;
  return out;
}

inline RedisReply array_reply(std::vector<RedisReply> elements) {
  RedisReply out;
  out.type = RedisReply::Type::array;
  out.elements = std::move(elements);
  return out;
}

/// Hashes, keys that only exist, and what the server says of itself.
class MemoryRedis final : public Redis {
 public:
  std::map<std::string, grants::Fields> hashes;
  std::map<std::string, std::string> strings;
  std::map<std::string, std::int64_t> ttls;  ///< milliseconds
  std::string run_id = "run-1";
  std::string replid = "history-1";
  std::string role = "master";
  std::string maxmemory = "0";
  std::string eviction = "noeviction";
  std::string threads = "0";  ///< io_threads_active
  std::uint64_t number = 1;  ///< of the connection
  std::optional<RedisError> broken;
  std::function<void(std::size_t trip)> before_trip = [](std::size_t) {};
  /// After the answers were made, before they arrive.
  std::function<void()> on_the_way = [] {};
  /// With a loop answers take a turn, so that questions can meet.
  Loop* loop = nullptr;
  std::vector<std::vector<RedisCommand>> trips;

  [[nodiscard]] std::uint64_t connection() const noexcept override { return number; }
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    before_trip(trips.size());
    trips.push_back(commands);
    if (broken) co_return fail(*broken);
    std::vector<RedisReply> replies;
    for (const auto& command : commands) replies.push_back(answer(command));
    if (loop != nullptr) co_await loop->sleep(Milliseconds(0));
    on_the_way();
    co_return replies;
  }

 private:
  RedisReply answer(const RedisCommand& command) {
    if (command[0] == "PING") return text_reply("PONG");
    if (command[0] == "INFO") return info(command[1]);
    if (command[0] == "ROLE") return array_reply({text_reply(role)});
    const std::string& name = command[1];
    if (command[0] == "PTTL") return integer_reply(ttls.contains(name) ? ttls[name] : -1);
    if (command[0] == "EXISTS") {
      std::int64_t count = 0;
      for (std::size_t i = 1; i < command.size(); ++i) count += strings.contains(command[i]) ? 1 : 0;
      return integer_reply(count);
    }
    if (strings.contains(name)) return error_reply("WRONGTYPE Operation against a key holding the wrong kind of value");
    const grants::Fields& fields = hashes[name];
    if (command[0] == "HGET") {
      const auto it = fields.find(command[2]);
      return it == fields.end() ? RedisReply{} : text_reply(it->second);
    }
    RedisReply out = array_reply({});
    for (const auto& [field, value] : fields) {
      out.elements.push_back(text_reply(field));
      out.elements.push_back(text_reply(value));
    }
    return out;
  }
  RedisReply info(const std::string& section) const {
    if (section == "server")
      return text_reply("# Server\r\nredis_version:7\r\nrun_id:" + run_id + "\r\nio_threads_active:" + threads +
                        "\r\n");
    if (section == "replication")
      return text_reply("role:" + role + "\r\nmaster_replid:" + replid + "\r\nmaster_replid2:0\r\n");
    return text_reply("maxmemory:" + maxmemory + "\r\nmaxmemory_human:0B\r\nmaxmemory_policy:" + eviction + "\r\n");
  }
};

/// The connection that is told of writes. It answers as a Redis does, until it is told not to.
class FakeChannel final : public RedisChannel {
 public:
  FakeChannel(const MemoryRedis& redis, Loop& loop) : redis_(redis), loop_(loop) {}

  bool silent = false;                 ///< answers nothing: half-open, or stopped; noticed after a second
  Milliseconds delay{0};               ///< that each answer takes
  std::optional<RedisError> refused;   ///< no connection can be had
  std::function<std::optional<RedisReply>(const RedisCommand&)> odd = [](const RedisCommand&) { return std::nullopt; };
  std::vector<RedisCommand> asked;
  std::size_t opened = 0;

  void tell(const std::vector<std::string>& keys) {
    std::vector<RedisReply> names;
    names.reserve(keys.size());
    for (const auto& key : keys) names.push_back(text_reply(key));
    say(array_reply(std::move(names)));
  }
  void tell_of_a_flush() { say(RedisReply{}); }
  void say(RedisReply content) {
    message(array_reply({text_reply("message"), text_reply("__redis__:invalidate"), std::move(content)}));
  }
  void message(const RedisReply& message) {
    if (listener_ != nullptr && subscribed_) listener_->heard(message);
  }
  void cut() {
    number_ = 0;
    subscribed_ = false;
    if (listener_ != nullptr) listener_->lost();
  }

  [[nodiscard]] std::uint64_t connection() const noexcept override { return number_; }
  void listen(Listener* listener) noexcept override { listener_ = listener; }
  void close() noexcept override {
    if (number_ != 0) cut();
  }
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    if (refused) co_return fail(*refused);
    if (silent) {
      co_await loop_.sleep(Milliseconds(1000));
      co_return fail(RedisError::timeout);
    }
    if (number_ == 0) number_ = ++opened;
    std::vector<RedisReply> replies;
    for (const auto& command : commands) {
      asked.push_back(command);
      replies.push_back(answer(command));
    }
    if (delay.count() > 0) co_await loop_.sleep(delay);
    co_return replies;
  }

 private:
  RedisReply answer(const RedisCommand& command) {
    if (auto other = odd(command)) return *other;
    if (command[0] == "INFO") {
      if (command[1] == "server") return text_reply("run_id:" + redis_.run_id + "\r\n");
      if (command[1] == "replication")
        return text_reply("role:" + redis_.role + "\r\nmaster_replid:" + redis_.replid + "\r\n");
      return text_reply("maxmemory:0\r\nmaxmemory_policy:noeviction\r\n");
    }
    if (command[0] == "CLIENT" && command[1] == "ID") return integer_reply(7);
    if (command[0] == "CLIENT") return text_reply("OK");
    if (command[0] == "SUBSCRIBE") {
      subscribed_ = true;
      return array_reply({text_reply("subscribe"), text_reply(command[1]), integer_reply(1)});
    }
    if (command[0] == "PING" && subscribed_) return array_reply({text_reply("pong"), text_reply(command[1])});
    return text_reply("PONG");
  }

  const MemoryRedis& redis_;
  Loop& loop_;
  Listener* listener_ = nullptr;
  std::uint64_t number_ = 0;
  bool subscribed_ = false;
};

}  // namespace agw::test
