// The address of a Redis, as agent_store and agwctl write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

namespace agw::grants {

/// A server of one's own choice, or one that Sentinels or a Cluster name.
struct RedisPlace {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;

  /// `host:port`, an IPv6 address in brackets.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const RedisPlace&, const RedisPlace&) = default;
};
/// Nothing unless it is a name or an address, and a port.
[[nodiscard]] std::optional<RedisPlace> read_place(std::string_view host, std::string_view port);

struct RedisAddress {
  std::string host;  ///< without brackets; empty with a unix socket, and where Sentinels or a Cluster know it
  std::uint16_t port = 6379;
  std::string unix_path;    ///< absolute; empty with a host
  bool tls = false;
  unsigned db = 0;
  std::string user;         ///< ACL user; empty = default
  std::vector<RedisPlace> sentinels;  ///< those who know which Redis it is; none: it is `host`
  std::string master;                 ///< what they call it
  std::vector<RedisPlace> seeds;  ///< nodes of a Cluster that are asked which of all has what; none: it is no Cluster

  /// Which Redis it is may change.
  [[nodiscard]] bool fails_over() const noexcept { return !sentinels.empty() || !seeds.empty(); }

  /// Without secrets, for logs: `rediss://user@host:6379/0`.
  [[nodiscard]] std::string text() const;
};

/// `redis://[USER@]HOST[:PORT][/DB]`, `rediss://…`, `unix:/PATH[?db=N][&user=U]` (also `redis+unix:`),
/// `redis+sentinel://[USER@]HOST[:PORT],HOST[:PORT]…/MASTER[/DB]`, `rediss+sentinel://…` (TLS with all of them),
/// `redis+cluster://[USER@]HOST[:PORT],HOST[:PORT]…`, `rediss+cluster://…`.
/// A password in the URL is refused: it belongs into a file. The message says what
/// is wrong and what to write instead.
[[nodiscard]] Result<RedisAddress, std::string> parse_redis_url(std::string_view url);

}  // namespace agw::grants
