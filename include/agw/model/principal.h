// Who calls: user, agent and issuer kept apart.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"

namespace agw {

/// One actor of an RFC 8693 `act` chain, outermost (current) first.
struct Actor {
  std::string issuer;
  std::string subject;
};

/// A verified token, compiled. Immutable and shared; nothing in it is a secret but what `token`
/// digests. Ids are `alias|part`, the part percent-encoded (encode_part), so that two issuers can
/// never mean the same person and no id can break a key or a pattern.
struct Principal {
  std::string issuer;      ///< alias of the agent_issuer block
  std::string issuer_url;  ///< `iss`
  std::string user;        ///< `alias|sub`
  std::string user_name;   ///< for people; may be empty
  std::string agent;       ///< `alias|client`
  std::string tenant;      ///< percent-encoded; "default" where the issuer names none
  std::vector<std::string> groups;  ///< `alias|group`, encoded
  std::vector<std::string> scopes;  ///< as granted, sorted, unique
  std::vector<std::string> implied_scopes;  ///< granted and implied ones, sorted, unique
  std::string provider;  ///< raw claim; names a tier only through the store's map
  std::string model;
  std::string jti;  ///< encoded part; may be empty
  std::string sid;  ///< encoded part; may be empty
  std::vector<std::string> audience;
  std::vector<Actor> actors;
  WallTime issued_at{};   ///< `iat`; 0 if absent
  WallTime expires_at{};  ///< `exp`
  std::optional<WallTime> authenticated_at;  ///< `auth_time`
  std::string acr;                           ///< may be empty
  std::string subject;       ///< raw `sub`, to compare with an exchange's result
  std::string token_digest;  ///< hex SHA-256 of the token's bytes, for keys of caches

  [[nodiscard]] bool has_scope(std::string_view scope) const noexcept;  ///< among implied_scopes
};

using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace agw
