// The backend's own token, minted for it alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/secret.h"
#include "agw/base/task.h"
#include "agw/io/clock.h"
#include "agw/io/http.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/zone.h"
#include "agw/model/principal.h"
#include "agw/model/reason.h"
#include "agw/oauth/server_metadata.h"
#include "agw/oauth/token_exchange.h"

namespace agw::outbound {

/// agent_exchange of a location or a tool; immutable after load.
struct ExchangeSpec {
  std::string audience;
  std::vector<std::string> scopes;  ///< sorted
  bool scope_independent = false;
  std::string key;                  ///< exchange_key(), part of the cache key
};

/// Audience and scopes in one string.
[[nodiscard]] std::string exchange_key(std::string_view audience, const std::vector<std::string>& scopes);

/// What the exchanger needs of the issuer of the subject token; the gateway fills it from identity.
class IssuerAccess {
 public:
  virtual ~IssuerAccess() = default;
  struct Endpoint {
    std::string token_endpoint;
    std::string ca_file;
    std::string proxy;
    AddressRule addresses = AddressRule::configured;
    Milliseconds timeout{5000};
    Milliseconds clock_skew{30000};
    oauth::ClientCredentials client;
  };
  [[nodiscard]] virtual Task<Result<Endpoint, Reason>> endpoint(const std::string& alias) = 0;
  /// The verified payload of a JWT that the issuer returned.
  [[nodiscard]] virtual Task<Result<std::string, Reason>> verify(const std::string& alias, std::string token) = 0;
};

/// A token for one backend, remembered until shortly before it ends.
struct BackendToken {
  Secret token;
  std::string authorization;  ///< `Bearer …`, ready to be set
  WallTime expires_at{};
};
using BackendTokenPtr = std::shared_ptr<const BackendToken>;

struct ExchangeFailure {
  Reason reason;       ///< exchange_unavailable | exchange_refused | exchange_invalid | issuer_unavailable
  std::string detail;  ///< for the log; an OAuth error code at most
};

class Exchanger {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    HttpClient& http;
    Metrics& metrics;
    Log& log;
    Random& random;
    IssuerAccess& issuers;
  };
  Exchanger(Host host, std::size_t max_remembered);
  ~Exchanger();
  Exchanger(const Exchanger&) = delete;
  Exchanger& operator=(const Exchanger&) = delete;

  /// A hit is a plain call. The caller has checked that `spec.scopes` are within its own.
  [[nodiscard]] ValueTask<Result<BackendTokenPtr, ExchangeFailure>> token(const PrincipalPtr& principal,
                                                                          std::string_view subject_token,
                                                                          const ExchangeSpec& spec);
  /// The backend refused it: forget it, so that the next call exchanges anew.
  void drop(const Principal& principal, const ExchangeSpec& spec) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::outbound
