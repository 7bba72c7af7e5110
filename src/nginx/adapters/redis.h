// The core's Redis: one pipelined connection of nginx's loop, opened when it is needed.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agw/grants/cluster.h"
#include "agw/grants/master.h"
#include "agw/grants/redis_url.h"
#include "agw/io/clock.h"
#include "agw/io/files.h"
#include "agw/io/log.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"
#include "agw/io/redis_protocol.h"
#include "agw/status/report.h"

#include "alarm.h"
#include "loop.h"
#include "names.h"
#include "stream.h"

namespace agw::nginx {

struct RedisSettings {
  grants::RedisAddress address;
  std::string password_file;  ///< read anew for every connection, by the worker; empty: no AUTH
  std::string ca_file;        ///< for rediss; empty: the system's trust anchors
  std::string sentinel_password_file;  ///< the same for the Sentinels
  Milliseconds timeout{1000};           ///< for each pipeline, the wait for a connection included
  std::size_t max_reply = 16UL << 20U;  ///< memory for one reply
};

/// Callers share one connection: their commands go out at once and are answered in order. Where an
/// answer is late or is none, the connection is closed, everything under way on it ends (`closed`),
/// and the next call opens another. After a failed attempt calls fail at once until the next
/// attempt is due (at most two seconds, with jitter): a dead store costs a call nothing.
/// With a guide (Sentinels, a Cluster) each connection goes to the master that it names, and is used only if that says
/// it is one.
class NginxRedis final : public RedisChannel,
                         public grants::OwnerConnection,
                         public status::Source,
                         private StreamListener,
                         private grants::MasterFollower {
 public:
  struct Host {
    NginxLoop& loop;
    Names& names;
    Clock& clock;
    Random& random;
    Log& log;
    grants::MasterGuide* guide = nullptr;  ///< who knows where it is; null: at its address
  };
  NginxRedis(Host host, RedisSettings settings);
  ~NginxRedis() override;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(std::vector<RedisCommand> commands) override;
  [[nodiscard]] std::uint64_t connection() const noexcept override { return state_ == State::ready ? connections_ : 0; }
  [[nodiscard]] std::string where() const override { return where_.text(); }
  void leave_owner() noexcept override { close(); }
  /// With a listener the connection is kept while the worker is on its way out: calls under way use what it says.
  void listen(Listener* listener) noexcept override { listener_ = listener; }
  void close() noexcept override { drop(RedisError::closed, {}); }
  void tell(status::Report& report) const override;

 private:
  using Answer = Result<std::vector<RedisReply>, RedisError>;
  struct Request {
    std::string bytes;
    std::size_t expected = 0;
    std::vector<RedisReply> replies;
    SteadyTime deadline{};
    Completion<Answer>* waiter = nullptr;  // null when nobody waits any more
  };
  using RequestPtr = std::shared_ptr<Request>;
  class Wait;
  enum class State { closed, opening, ready };

  void enqueue(RequestPtr request);
  void withdraw(const RequestPtr& request) noexcept;
  void transmit(const RequestPtr& request);
  Task<void> open();
  Task<Result<bool, RedisError>> establish(SteadyTime deadline);
  Task<Result<bool, RedisError>> connect(SteadyTime deadline);
  Task<Result<bool, RedisError>> locate();
  [[nodiscard]] Result<bool, RedisError> welcomed(const std::vector<RedisReply>& replies) noexcept;
  Task<Result<bool, RedisError>> greet(SteadyTime deadline);
  void opened();
  void not_opened(RedisError error) noexcept;

  void stream_readable() noexcept override;
  void stream_writable() noexcept override;
  void stream_should_close() noexcept override;
  void master_is(const grants::RedisPlace& place) noexcept override;
  void receive();
  void take(RedisReply reply);
  void flush() noexcept;
  void settle() noexcept;
  void drop(RedisError error, std::string_view why) noexcept;
  void fail_all(std::deque<RequestPtr>& requests, RedisError error) noexcept;
  void set_alarm() noexcept;
  static void on_alarm(void* self) noexcept;
  void late() noexcept;
  [[nodiscard]] Milliseconds left(SteadyTime deadline) const noexcept;
  void say(LogLevel level, std::string_view what, std::string_view error = {}) noexcept;

  Host host_;
  RedisSettings settings_;
  grants::RedisPlace where_;  // without a unix socket
  std::string place_;         // for the log
  WatchedFile password_;
  TlsClient tls_;
  Stream stream_;
  Alarm alarm_;
  State state_ = State::closed;
  std::uint64_t connections_ = 0;  // opened so far
  bool leaving_ = false;  // the guide names another, and this one has still to answer
  Listener* listener_ = nullptr;
  std::unique_ptr<RedisReader> reader_;
  std::string out_;
  std::size_t sent_bytes_ = 0;
  std::deque<RequestPtr> queued_;  // until the connection is ready
  std::deque<RequestPtr> sent_;    // awaiting answers, in order
  unsigned failures_ = 0;
  SteadyTime next_attempt_{};
  RedisError last_error_ = RedisError::connect;
  std::optional<RedisError> trouble_;  // why the last command that was sent has no answer
};

}  // namespace agw::nginx
