// Which Redis answers, and whether its answers may be believed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"
#include "agw/io/redis.h"

namespace agw::grants {

/// What a Redis says of itself.
struct ServerFacts {
  std::string run_id;  ///< another one after each start
  std::string replid;  ///< of its replication history: another one after a failover
  std::string fault;   ///< why its answers are no truth, for the log; empty: they are
  std::string former;               ///< the history that it continues, after a failover; else empty or zeros
  std::uint64_t offset = 0;         ///< how far its history has come
  std::uint64_t continued_from = 0; ///< where it took up the former one; 0: nowhere
  bool threads = false;  ///< it may acknowledge a write before it has told of it (`io-threads`)
};

/// INFO, three times: before Redis 7 it takes one section at a time.
[[nodiscard]] std::vector<RedisCommand> server_questions();
inline constexpr std::size_t server_answers = 3;
inline constexpr std::string_view replica_fault = "Redis is a replica, which may lag behind";
/// A replica may lag behind, a store that evicts forgets: neither can say that something is not there.
[[nodiscard]] ServerFacts read_server(std::span<const RedisReply> replies);

/// Keeps in mind which connection was looked at, and when. A look is due for each new connection,
/// and again when the last one is older than `fresh_for`.
class Server {
 public:
  /// `failover`: which Redis it is may change (Sentinel), so that each trip asks for its role.
  enum class Failover : std::uint8_t { none, expected };
  explicit Server(Milliseconds fresh_for, Failover failover = Failover::none) noexcept
      : fresh_for_(fresh_for), failover_(failover) {}

  [[nodiscard]] bool fails_over() const noexcept { return failover_ == Failover::expected; }

  [[nodiscard]] bool due(std::uint64_t connection, SteadyTime now) const noexcept {
    return connection == 0 || connection != connection_ || !facts_.fault.empty() || now - looked_ >= fresh_for_;
  }
  /// Whether answers of this connection are those of the server that was looked at.
  [[nodiscard]] bool known(std::uint64_t connection) const noexcept {
    return connection != 0 && connection == connection_;
  }
  /// `before`, `after`: the connection when the question was sent and when it was answered. True if it is another
  /// server, or has another history, than the one before.
  bool take(ServerFacts facts, std::uint64_t before, std::uint64_t after, SteadyTime sent);

  /// It said meanwhile that it is no master: until the next look nothing of it is believed.
  void depose() { facts_.fault = replica_fault; }

  [[nodiscard]] const std::string& fault() const noexcept { return facts_.fault; }
  [[nodiscard]] const ServerFacts& facts() const noexcept { return facts_; }
  /// Another number for each look.
  [[nodiscard]] std::uint64_t looks() const noexcept { return looks_; }
  [[nodiscard]] bool threads() const noexcept { return facts_.threads; }
  /// Empty before the first look.
  [[nodiscard]] const std::string& run_id() const noexcept { return facts_.run_id; }

 private:
  Milliseconds fresh_for_;
  Failover failover_;
  ServerFacts facts_;
  std::uint64_t connection_ = 0;
  SteadyTime looked_{};
  std::uint64_t looks_ = 0;
};

}  // namespace agw::grants
