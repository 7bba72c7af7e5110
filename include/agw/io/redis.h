// What the core asks of its host's Redis connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/task.h"

namespace agw {

using RedisCommand = std::vector<std::string>;

struct RedisReply {
  enum class Type { nil, text, integer, array, error };
  Type type = Type::nil;
  std::string text;           ///< bulk or status text, or the error's
  std::int64_t integer = 0;
  std::vector<RedisReply> elements;
};

/// `timeout` includes the wait for a connection. After timeout or protocol the connection is
/// closed and opened anew, so that a late answer can't be taken for the next one's.
enum class RedisError { connect, tls, auth, timeout, protocol, closed };
[[nodiscard]] std::string_view to_string(RedisError error) noexcept;

class Redis {
 public:
  virtual ~Redis() = default;
  /// Sends the commands in one write and awaits one reply for each, in order. An error reply of a
  /// single command is a RedisReply of type error. Never blocks.
  [[nodiscard]] virtual Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) = 0;
};

}  // namespace agw
