// The address of a Redis, as agent_store and agwctl write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agw/base/result.h"

namespace agw::grants {

struct RedisAddress {
  std::string host;         ///< without brackets; empty with a unix socket
  std::uint16_t port = 6379;
  std::string unix_path;    ///< absolute; empty with a host
  bool tls = false;
  unsigned db = 0;
  std::string user;         ///< ACL user; empty = default

  /// Without secrets, for logs: `rediss://user@host:6379/0`.
  [[nodiscard]] std::string text() const;
};

/// `redis://[USER@]HOST[:PORT][/DB]`, `rediss://…`, `unix:/PATH[?db=N][&user=U]` (also
/// `redis+unix:`). A password in the URL is refused: it belongs into a file. The message says what
/// is wrong and what to write instead.
[[nodiscard]] Result<RedisAddress, std::string> parse_redis_url(std::string_view url);

}  // namespace agw::grants
