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
  /// Which connection it is now: another number for each one that was opened, 0 while there is none.
  [[nodiscard]] virtual std::uint64_t connection() const noexcept { return 0; }
};

/// A connection on which Redis also speaks unasked, once it was told to by SUBSCRIBE: its messages go to
/// the listener, everything else answers pipeline().
class RedisChannel : public Redis {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    /// `message`: a published message as it came (`message`, channel, content). It is handed out before
    /// every answer that Redis sent after it.
    virtual void heard(const RedisReply& message) noexcept = 0;
    /// The connection is gone: what would have been said on it since an unknown moment was not heard.
    virtual void lost() noexcept = 0;
  };
  /// One listener, or none (nullptr). It must outlive the connection, or take itself away.
  virtual void listen(Listener* listener) noexcept = 0;
  /// Closes it; the next pipeline() opens another.
  virtual void close() noexcept = 0;
};

}  // namespace agw
