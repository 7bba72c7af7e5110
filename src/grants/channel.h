// How a worker hears of writes, and how long it may believe that it would have heard.
#pragma once

#include <cstdint>
#include <string>

#include "agw/base/task.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"

#include "server.h"
#include "stripes.h"

namespace agw::grants {

/// One connection on which Redis tells of every written key under `agw:p:` (CLIENT TRACKING … BCAST, redirected to
/// the connection itself, so that any RESP2 client can hear it). Its heartbeats stand in one line with those messages:
/// who has the answer to one has heard of everything that was written before it was sent. So the channel is live for
/// `lease` from the *sending* of the last heartbeat that was answered, whatever became of the connection.
/// All stripes move when it is (re)connected, when Redis was flushed, and on anything unexpected.
class Channel final : private RedisChannel::Listener {
 public:
  struct Host {
    RedisChannel& redis;
    Loop& loop;
    Clock& clock;
    Random& random;
    Log& log;
  };
  Channel(Host host, Stripes& stripes, Milliseconds lease);
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Begins, as a task of the loop's; ends with the loop's tasks, which must be before this object.
  void start();

  /// One heartbeat more, sent now. Empty: it was answered, so that everything that was acknowledged before it was sent
  /// has been heard of; else why not.
  [[nodiscard]] Task<std::string> beat();

  /// Whether every write that was acknowledged longer than the lease before `now` (by Clock::moment) was heard of.
  [[nodiscard]] bool live(SteadyTime now) const noexcept { return now < until_; }
  /// When the last heartbeat that was answered was sent, whatever became of the connection; min before the first.
  [[nodiscard]] SteadyTime heard_at() const noexcept { return heard_at_; }
  /// Of the server that it hears; empty while it hears none.
  [[nodiscard]] const std::string& run_id() const noexcept { return run_id_; }
  /// When the last heartbeat that was answered was sent (wall clock); nothing before the first.
  [[nodiscard]] WallTime last_heartbeat() const noexcept { return last_heartbeat_; }
  [[nodiscard]] std::uint64_t invalidations() const noexcept { return invalidations_; }
  [[nodiscard]] std::uint64_t connects() const noexcept { return connects_; }

 private:
  Task<void> run();
  Task<std::string> follow();
  Task<std::string> subscribe();
  [[nodiscard]] Milliseconds pause();
  void lose() noexcept;
  /// Something was heard that isn't understood: it may have been a write of anything.
  void doubt() noexcept;

  void heard(const RedisReply& message) noexcept override;
  void lost() noexcept override;

  Host host_;
  Stripes& stripes_;
  Milliseconds lease_;
  SteadyTime until_{SteadyTime::min()};
  SteadyTime heard_at_{SteadyTime::min()};
  std::string run_id_;
  WallTime last_heartbeat_{};
  std::uint64_t beats_ = 0;
  std::uint64_t invalidations_ = 0;
  std::uint64_t connects_ = 0;
  unsigned failures_ = 0;
  bool broken_ = false;  ///< lost, or something unexpected was heard
};

}  // namespace agw::grants
