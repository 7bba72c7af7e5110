// As much of a Redis as repeats ask for: the scripts of src/idempotency/scripts.h, told apart by their first line.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "agw/base/encoding.h"
#include "agw/io/clock.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"

#include "support/allocations.h"
#include "support/memory_redis.h"

namespace agw::test {

class LedgerRedis final : public Redis {
 public:
  LedgerRedis(Loop& loop, Clock& clock) : loop_(loop), clock_(clock) {}

  using Record = std::map<std::string, std::string>;
  std::map<std::string, Record> records;
  std::map<std::string, std::int64_t> ttls;
  std::map<std::string, std::string> mistyped;  ///< keys that are no hashes, and what they are
  std::vector<std::string> ran;      ///< the scripts, in order
  bool gone = false;                 ///< nothing is run, nobody answers
  bool answers_get_lost = false;     ///< everything is run, nobody answers
  std::optional<RedisReply> odd;     ///< answers this, and runs nothing
  Milliseconds delay{1};

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    auto pause = loop_.sleep(delay);
    co_await std::move(pause);
    if (gone) co_return fail(RedisError::timeout);
    std::vector<RedisReply> replies;
    {
      const WorkingAllocations ours;
      for (const auto& command : commands) replies.push_back(answer(command));
    }
    if (answers_get_lost) co_return fail(RedisError::timeout);
    co_return replies;
  }
  [[nodiscard]] std::size_t count(const std::string& script) const {
    return static_cast<std::size_t>(std::ranges::count(ran, script));
  }

 private:
  RedisReply answer(const RedisCommand& command) {
    if (command[0] == "EVALSHA" && !scripts_.contains(command[1])) return error_reply("NOSCRIPT No matching script.");
    if (odd) return *odd;
    if (command[0] == "TYPE") return text_reply(mistyped.contains(command[1]) ? mistyped[command[1]] : "none");
    if (command[0] == "EVAL") scripts_[sha1_hex(command[1])] = command[1];
    const std::string& text = command[0] == "EVAL" ? command[1] : scripts_[command[1]];
    const std::string script = text.substr(3, text.find('\n') - 3);
    ran.push_back(script);
    const auto count = static_cast<std::size_t>(std::stoul(command[2]));
    const std::vector<std::string> keys(command.begin() + 3, command.begin() + 3 + static_cast<std::ptrdiff_t>(count));
    const std::vector<std::string> arguments(command.begin() + 3 + static_cast<std::ptrdiff_t>(count), command.end());
    for (const auto& key : keys)
      if (mistyped.contains(key))
        return error_reply("WRONGTYPE Operation against a key holding the wrong kind of value");
    if (script == "claim") return claim(keys, arguments);
    for (const auto& key : keys) change(script, key, arguments);
    return integer_reply(1);
  }
  RedisReply claim(const std::vector<std::string>& keys, const std::vector<std::string>& arguments) {
    const std::int64_t now = clock_.now().time_since_epoch().count();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto known = records.find(keys[i]);
      if (known == records.end()) continue;
      Record& record = known->second;
      if (record["a"] != arguments[3 + i]) return words({"other"});
      if (record["s"] == "d") return words({"done", record["r"]});
      if (record["s"] == "l") return words({"large"});
      if (record["s"] == "c" && std::stoll(record["u"]) > now) return words({"busy"});
      return words({"unknown"});
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      records[keys[i]] = {{"s", "c"},
                          {"o", arguments[0]},
                          {"a", arguments[3 + i]},
                          {"u", std::to_string(now + std::stoll(arguments[1]))}};
      ttls[keys[i]] = std::stoll(arguments[2]);
    }
    return words({"claimed"});
  }
  void change(const std::string& script, const std::string& key, const std::vector<std::string>& arguments) {
    const auto known = records.find(key);
    if (known == records.end() || known->second["o"] != arguments[0] || known->second["s"] != "c") return;
    if (script == "release") {
      records.erase(known);
    } else if (script == "settle") {
      known->second["s"] = arguments[2];
      if (!arguments[3].empty()) known->second["r"] = arguments[3];
      ttls[key] = std::stoll(arguments[1]);
    } else {
      known->second["u"] = std::to_string(clock_.now().time_since_epoch().count() + std::stoll(arguments[1]));
      ttls[key] = std::stoll(arguments[2]);
    }
  }
  static std::string sha1_hex(const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
    return hex_encode({reinterpret_cast<const char*>(digest.data()), size});
  }
  static RedisReply words(const std::vector<std::string>& texts) {
    std::vector<RedisReply> elements;
    for (const auto& text : texts) elements.push_back(text_reply(text));
    return array_reply(std::move(elements));
  }

  Loop& loop_;
  Clock& clock_;
  std::map<std::string, std::string> scripts_;  // by digest
};

}  // namespace agw::test
