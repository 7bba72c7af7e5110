// A token in, a principal out.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/identity/introspection.h"
#include "agw/identity/issuer_config.h"
#include "agw/io/clock.h"
#include "agw/io/files.h"
#include "agw/io/http.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/zone.h"
#include "agw/model/principal.h"
#include "agw/model/reason.h"
#include "agw/oauth/server_metadata.h"
#include "agw/status/report.h"

namespace agw::identity {

struct TokenRefusal {
  Reason reason;
  std::string detail;  ///< for the log: names a claim, key id or issuer alias; never a token
};

/// What a location trusts; immutable, made at load. Cached principals are bound to it.
struct TrustProfile {
  std::string resource;  ///< must be among the token's `aud`, exactly
  std::vector<const IssuerConfig*> issuers;
  std::optional<Introspection> introspection;  ///< nothing: issuers are asked about no token
};

/// Whose opaque token it is, by its form alone: at most one issuer of a profile fits, and no other is ever asked. Null:
/// it is a JWT, or nobody's.
[[nodiscard]] const IssuerConfig* issuer_of_opaque(std::string_view token, const TrustProfile& trust) noexcept;

struct IssuerHealth {
  std::string alias;
  bool usable = false;
  std::string detail;
};

/// One per worker: key sets, server metadata, and the tokens it has verified.
class Authenticator final : public status::Source {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    HttpClient& http;
    Zone& zone;
    Metrics& metrics;
    Log& log;
    Random& random;
  };
  /// `issuers` outlive the authenticator. `max_remembered`: verified tokens kept per worker.
  Authenticator(Host host, const std::vector<const IssuerConfig*>& issuers, std::size_t max_remembered);
  ~Authenticator() override;
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// Begins fetching key sets and keeps them fresh (spawned tasks of the loop).
  void start();

  /// `token` must stay alive until the answer. A hit is a plain call. Waits at most the issuer's
  /// timeout for a key set, and as long for what the issuer says of the token; then issuer_unavailable or
  /// introspection_unavailable.
  [[nodiscard]] ValueTask<Result<PrincipalPtr, TokenRefusal>> authenticate(std::string_view token,
                                                                           const TrustProfile& trust,
                                                                           const Inquiry& inquiry = {});
  /// All of it that needs no question to the issuer: null where that is still to be asked, and a refusal
  /// where it needn't be.
  [[nodiscard]] ValueTask<Result<PrincipalPtr, TokenRefusal>> before_asking(std::string_view token,
                                                                            const TrustProfile& trust);

  /// Endpoints of an issuer, from configuration or discovery; fetched if not known yet.
  [[nodiscard]] Task<Result<oauth::ServerMetadata, TokenRefusal>> metadata(const IssuerConfig& issuer);
  /// Verifies a token that an exchange returned, against the issuer's keys (signature, iss, exp);
  /// the payload's JSON on success.
  [[nodiscard]] Task<Result<std::string, TokenRefusal>> verify_result(std::string token, const IssuerConfig& issuer);

  [[nodiscard]] std::vector<IssuerHealth> health() const;
  void tell(status::Report& report) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::identity
