// One blocking connection to Redis, behind the core's interface.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agw/grants/redis_url.h"
#include "agw/io/redis.h"

namespace agw::agwctl {

struct RedisOptions {
  grants::RedisAddress address;
  std::string password_file;  ///< empty: no AUTH
  std::string sentinel_password_file;  ///< the same for the Sentinels
  std::string ca_file;        ///< for rediss; empty: the system's trust anchors
  int timeout_ms = 10'000;    ///< for each wait on the socket
};

/// Every pipeline() completes before it returns, so that tasks which await nothing else can be run
/// to their end by start().
class RedisConnection final : public Redis {
 public:
  /// Connects, authenticates and selects the database; throws Failure. With Sentinels: to the master that a majority
  /// of them names, if it says that it is one. Not for a Cluster, where it hangs on the tenant (StoreConnections).
  explicit RedisConnection(const RedisOptions& asked);
  /// One node of a Cluster, which must be a master. Where it refuses something because the keys are elsewhere,
  /// pipeline() and ask() throw Failure.
  RedisConnection(const RedisOptions& asked, const grants::RedisPlace& node);
  ~RedisConnection() override;
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(std::vector<RedisCommand> commands) override;

  /// The same without a task; throws Failure when the connection fails. Error replies are values.
  [[nodiscard]] std::vector<RedisReply> ask(const std::vector<RedisCommand>& commands);
  [[nodiscard]] bool of_cluster() const noexcept { return of_cluster_; }

 private:
  class Socket;
  [[nodiscard]] Result<std::vector<RedisReply>, RedisError> exchange(const std::vector<RedisCommand>& commands);
  void open(const RedisOptions& options, bool must_be_master);

  std::string name_;
  bool of_cluster_ = false;
  std::unique_ptr<Socket> socket_;
};

/// Runs a task that waits for nothing but a RedisConnection.
template <class T>
T run(Task<T> task) {
  task.start();
  return task.take();
}

}  // namespace agw::agwctl
