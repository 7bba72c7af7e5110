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
  bool threads = false;  ///< it may acknowledge a write before it has told of it (`io-threads`)
};

/// INFO, three times: before Redis 7 it takes one section at a time.
[[nodiscard]] std::vector<RedisCommand> server_questions();
inline constexpr std::size_t server_answers = 3;
/// A replica may lag behind, a store that evicts forgets: neither can say that something is not there.
[[nodiscard]] ServerFacts read_server(std::span<const RedisReply> replies);

/// Keeps in mind which connection was looked at, and when. A look is due for each new connection,
/// and again when the last one is older than `fresh_for`.
class Server {
 public:
  explicit Server(Milliseconds fresh_for) noexcept : fresh_for_(fresh_for) {}

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

  [[nodiscard]] const std::string& fault() const noexcept { return facts_.fault; }
  [[nodiscard]] bool threads() const noexcept { return facts_.threads; }
  /// Empty before the first look.
  [[nodiscard]] const std::string& run_id() const noexcept { return facts_.run_id; }

 private:
  Milliseconds fresh_for_;
  ServerFacts facts_;
  std::uint64_t connection_ = 0;
  SteadyTime looked_{};
};

}  // namespace agw::grants
