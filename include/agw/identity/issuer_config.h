// An agent_issuer block, checked at load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agw/base/time.h"
#include "agw/jose/jwt.h"

namespace agw::identity {

/// Which token types an issuer's access tokens may carry in `typ`.
enum class TokenType : std::uint8_t { at_jwt, jwt, any };
enum class Discovery : std::uint8_t { automatic, oauth, openid };

/// Claim names; nested claims as `realm_access/roles`. Empty = not read.
struct ClaimNames {
  std::string user = "sub";
  std::string user_name = "preferred_username";
  std::string agent;  ///< empty: `client_id` (RFC 9068), else `azp`
  std::string groups = "groups";
  std::string tenant;
  std::string provider;
  std::string model;
  std::string scope = "scope";
  std::string actor = "sub";  ///< of each actor in `act`: the agent's name
};

/// Whether an issuer's tokens name actors (RFC 8693 section 4.1). One that leaves out earlier actors widens what the
/// current one may do without a trace: it is asked for at least so many.
struct ActorRules {
  static constexpr std::size_t hard_most = 8;
  bool accepted = false;
  std::size_t least = 0;
  std::size_t most = 4;
};

/// How a token is known to stand for no user.
struct MachineRule {
  enum class By : std::uint8_t {
    nothing,  ///< there are no machines: a token whose subject is its client has no user, and is refused
    subject,  ///< `sub` is the client, or an actor
    claim
  };
  By by = By::nothing;
  std::string claim;  ///< a path
  std::string value;  ///< what it says of a machine; `<client>` in it stands for the client
};

/// The gateway as the issuer's confidential client; secrets stay in files.
struct ClientConfig {
  std::string id;
  std::string secret_file;  ///< client_secret_basic (or _post where metadata says only that)
  std::string key_file;     ///< PEM; private_key_jwt (RFC 7523)
  std::optional<jose::Algorithm> algorithm;
  std::string key_id;
};

/// A SPIFFE trust domain as an issuer: what names its workloads are X.509-SVIDs and JWT-SVIDs.
struct WorkloadConfig {
  std::string trust_domain;  ///< empty: the issuer is none
  bool certificates = true;
  /// SPIFFE ID, or `subject:` and a certificate's subject (RFC 2253) → the agent, `alias|part`.
  std::map<std::string, std::string, std::less<>> agents;
  std::vector<std::string> scopes;  ///< what its workloads have: SVIDs carry none
};

struct IssuerConfig {
  std::string alias;
  std::string issuer;  ///< exact `iss`
  std::vector<jose::Algorithm> algorithms;
  TokenType type = TokenType::at_jwt;
  ClaimNames claims;
  std::vector<std::string> tenants;  ///< allow-list, encoded parts
  std::vector<std::pair<std::string, std::vector<std::string>>> scope_implies;
  std::optional<ClientConfig> client;
  Seconds clock_skew{30};
  std::string jwks_file;       ///< instead of discovery
  std::string token_endpoint;  ///< instead of discovery's
  std::string introspection_endpoint;  ///< the same
  /// Answers about tokens are signed (RFC 9701); others are refused then.
  bool signed_introspection = false;
  /// What its opaque tokens begin with; empty: anything. Nothing: it gives out none that are accepted.
  std::optional<std::string> opaque_prefix;
  bool single_use = false;                            ///< each of its tokens is good for one operation
  std::string single_use_claim = "jit_single_use";    ///< those are in which this is true
  std::string ca_file;
  std::string proxy;
  Discovery discovery = Discovery::automatic;
  Milliseconds timeout{5000};
  Seconds keys_refresh{300};  ///< a key set older than this is fetched anew in the background
  Seconds keys_max_age{3600}; ///< one older than this is no longer believed
  Seconds keys_floor{10};     ///< between two refreshes because of unknown keys
  std::size_t max_token_bytes = 16384;
  std::vector<std::string> audiences;  ///< one of them must be in `aud`; none: the location's resource
  std::vector<std::string> required;   ///< claims that every token must have; paths
  ActorRules actors;
  MachineRule machine;
  WorkloadConfig workloads;

  /// False: nothing that it signs is accepted, and its keys aren't asked for.
  [[nodiscard]] bool verifies() const noexcept { return !algorithms.empty(); }
  /// Of everything above: part of every cache key that depends on this configuration.
  [[nodiscard]] std::string digest() const;
};

}  // namespace agw::identity
