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
  std::string user;        ///< `alias|sub`; empty: nobody
  std::string user_name;   ///< for people; may be empty
  std::string agent;       ///< `alias|client`; of a token with actors the current one
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
  /// The call's agents besides `agent`, the nearest to it first: whoever it acts under, all of whom must be able to do
  /// what it does. Ids, each once. Empty where the token names no others.
  std::vector<std::string> chain;
  bool machine = false;  ///< nobody stands behind it: `user` and `groups` are empty
  std::string client;  ///< `alias|client_id`, whatever names the agent; empty where the token names no client
  std::string key_id;  ///< encoded part: of the key that verified it, its kid or RFC 7638 thumbprint; empty: none did
  bool single_use = false;  ///< good for one operation

  [[nodiscard]] bool has_scope(std::string_view scope) const noexcept;  ///< among implied_scopes

  std::string bound_key;  ///< `cnf.jkt` (RFC 9449 section 6.1): who has that key holds the token; empty: any
  std::string bound_certificate;  ///< `cnf.x5t#S256` (RFC 8705 section 3.1), the same
  [[nodiscard]] bool is_bound() const noexcept { return !bound_key.empty() || !bound_certificate.empty(); }
};

/// The same call as another agent of its chain would make it. What the token says of the model is of the agent that
/// holds it, and nothing of others.
[[nodiscard]] Principal as_made_by(const Principal& principal, const std::string& agent);

using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace agw
