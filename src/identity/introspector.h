// Asks issuers about tokens (RFC 7662).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/digest.h"
#include "agw/identity/authenticator.h"
#include "agw/io/single_flight.h"

#include "issuer_keys.h"
#include "recent.h"

namespace agw::identity {

/// A token, and what is known of it without asking.
struct AskedToken {
  std::string_view token;       ///< alive until the answer
  const TrustProfile& trust;    ///< with its `introspection`
  std::size_t issuer = 0;       ///< in the order in which they were added
  PrincipalPtr verified;        ///< null: it is opaque
};

/// Where an answer may count for a while (max_age), it counts from the moment at which its question was sent, those who
/// ask together share one question, and it ends with the token. Where each call asks anew nobody shares anything.
/// Inactive tokens are remembered as active ones are; that nobody answered is not.
class Introspector {
 public:
  using Answer = Result<PrincipalPtr, TokenRefusal>;

  /// `max_remembered`: answers kept per worker, `most_remembered` at most.
  Introspector(Authenticator::Host host, std::size_t max_remembered);
  ~Introspector();
  Introspector(const Introspector&) = delete;
  Introspector& operator=(const Introspector&) = delete;

  /// `issuer` outlives this.
  void add(IssuerKeys& issuer);

  /// A remembered answer is a plain call. Waits at most the issuer's timeout.
  [[nodiscard]] ValueTask<Answer> ask(const AskedToken& asked, const Inquiry& inquiry);

  /// Questions of one worker that may be under way; beyond, who would ask is refused at once.
  static constexpr std::size_t most_under_way = 1'024;
  /// A kilobyte or two each; what is told of a call makes one for each call.
  static constexpr std::size_t most_remembered = 20'000;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::identity
