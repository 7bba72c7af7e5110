// Which Redis is the master now: what a majority of its Sentinels says.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/grants/master.h"
#include "agw/grants/redis_url.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"
#include "agw/io/single_flight.h"

namespace agw::grants {

/// What a Sentinel is asked.
[[nodiscard]] RedisCommand master_question(std::string_view name);
/// Nothing: it knows no such master, refuses, or says what is no address.
[[nodiscard]] std::optional<RedisPlace> read_master(const RedisReply& reply);

/// Whether this is ROLE's answer of a master.
[[nodiscard]] bool is_master(const RedisReply& reply) noexcept;

/// One vote for each Sentinel. Elected is whom more than half of all of them name, those that say nothing included: two
/// sides of a cut network can't both have one.
class Election {
 public:
  explicit Election(std::size_t sentinels) : sentinels_(sentinels) {}
  /// Null, nothing: it names nobody.
  void vote(const RedisPlace* place) noexcept;
  void vote(const std::optional<RedisPlace>& place) noexcept { vote(place ? &*place : nullptr); }
  [[nodiscard]] const RedisPlace* elected() const noexcept;
  /// Somebody is elected, or nobody can be any more.
  [[nodiscard]] bool over() const noexcept;

 private:
  void count(const RedisPlace& place);

  std::size_t sentinels_;
  std::size_t votes_ = 0;
  std::vector<std::pair<RedisPlace, std::size_t>> places_;
};

/// Asks all Sentinels at once and waits for a majority, not for the slowest: one that hangs, lies or is gone
/// changes nothing as long as the others agree.
class Sentinels final : public MasterGuide {
 public:
  /// `asked`: a connection to each, with a timeout of its own; all outlive this object.
  Sentinels(Loop& loop, std::vector<Redis*> asked, std::string name);
  Sentinels(const Sentinels&) = delete;
  Sentinels& operator=(const Sentinels&) = delete;

  /// Nothing: no majority names one. Those who ask at once share the question.
  [[nodiscard]] Task<std::optional<RedisPlace>> master() override;
  [[nodiscard]] std::string_view lost() const noexcept override {
    return "no majority of the Sentinels names the master";
  }

  /// Asks for ever, to be kept by the loop: who follows learns of a failover though its connection still stands.
  [[nodiscard]] Task<void> watch();
  [[nodiscard]] bool hands_over() const noexcept override { return false; }
  void follow(MasterFollower& follower) override { followers_.push_back(&follower); }
  void leave(MasterFollower& follower) noexcept override { std::erase(followers_, &follower); }

  static constexpr Milliseconds pause{250};

 private:
  [[nodiscard]] Task<std::optional<RedisPlace>> ask();
  Task<void> ask_one(Redis& sentinel, Election& election, Completion<bool>& over);

  Loop& loop_;
  std::vector<Redis*> asked_;
  std::string name_;
  std::vector<MasterFollower*> followers_;
  SingleFlight<std::optional<RedisPlace>> flights_;
};

}  // namespace agw::grants
