// Redis' protocol (RESP2) without a connection: for whoever owns the socket.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/io/redis.h"

namespace agw {

/// Appends the command as Redis wants it on the wire.
void append_command(std::string& out, const RedisCommand& command);

/// Cuts replies out of a stream of bytes. After an error nothing more can be had from it.
class RedisReader {
 public:
  /// `max_reply` bounds what one reply may cost in memory, its elements and what has arrived of it
  /// included.
  explicit RedisReader(std::size_t max_reply);
  ~RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;

  /// Gives it what has arrived. False if it isn't Redis' protocol or too large.
  [[nodiscard]] bool feed(std::string_view bytes);
  /// The next whole reply, nothing if there is none yet, or an error when the bytes aren't Redis'
  /// protocol, a reply is too large or nested too deep.
  [[nodiscard]] Result<std::optional<RedisReply>, RedisError> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw
