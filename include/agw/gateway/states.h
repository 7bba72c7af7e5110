// What a backend gives a client to bring back with the same call (MCP 2026-07-28, multi round-trip requests).
#pragma once

#include <string>
#include <string_view>

#include "agw/base/digest.h"
#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/io/clock.h"
#include "agw/io/random.h"
#include "agw/model/reason.h"
#include "agw/seal/seal_keys.h"

namespace agw::gateway {

/// What a state is bound to beside its owner: the method, what it names, and the arguments in their canonical form.
[[nodiscard]] Sha256 asked_digest(std::string_view method, std::string_view name, std::string_view canonical_arguments);

/// One per worker.
class States {
 public:
  /// How long the person who is asked may take.
  static constexpr Milliseconds lifetime{3'600'000};

  /// Everything outlives it.
  States(const SealKeys& keys, Clock& clock, Random& random) : keys_(keys), clock_(clock), random_(random) {}

  /// `raw`: the backend's own, as JSON, with its quotes. Base64url.
  [[nodiscard]] std::string seal(std::string_view raw, const Sha256& owner, const Sha256& asked) const;
  /// `raw` again; state_unknown, state_foreign, state_mismatch where it is of another call, or state_expired.
  [[nodiscard]] Result<std::string, Reason> open(std::string_view sealed, const Sha256& owner,
                                                 const Sha256& asked) const;

 private:
  const SealKeys& keys_;
  Clock& clock_;
  Random& random_;
};

}  // namespace agw::gateway
