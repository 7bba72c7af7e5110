// Session ids that belong to whom they were given.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "agw/base/digest.h"
#include "agw/base/result.h"
#include "agw/gateway/location.h"
#include "agw/io/random.h"
#include "agw/mcp/capabilities.h"
#include "agw/model/principal.h"
#include "agw/model/reason.h"
#include "agw/seal/seal_keys.h"

namespace agw::gateway {

/// Whom something that was handed out belongs to: issuer, user, agent and tenant, at one protected resource and
/// namespace. Two different owners never have one digest.
[[nodiscard]] Sha256 owner_digest(const Principal& principal, const Location& location);

/// Whether session ids are sealed here. Where a location only observes, nothing is changed.
[[nodiscard]] inline bool binds(const Location& location) noexcept {
  return location.kind == Kind::mcp && location.mode == Mode::enforce;
}

/// A session as its sealed id tells of it.
struct Session {
  std::string backend_id;  ///< what the backend calls it; empty: it has none, the gateway has made this one
  std::string version;     ///< the protocol version that initialize asked for; may be empty
  mcp::ClientCapabilities capabilities = 0;
};
using SessionPtr = std::shared_ptr<const Session>;

/// One per worker: seals the ids that backends give, and opens those that clients send. What was opened is remembered
/// for its owner, so that the next call costs one look-up.
class Sessions {
 public:
  static constexpr std::size_t longest_backend_id = 1024;

  /// `keys` outlive it.
  Sessions(const SealKeys& keys, Random& random, std::size_t most_remembered);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  /// Visible ASCII; empty where the backend's id is none that a session can have (MCP 2025-11-25, "Session
  /// Management").
  [[nodiscard]] std::string seal(const Session& session, const Principal& owner, const Location& location) const;
  /// One of the gateway's own: `session` has no id of a backend's.
  [[nodiscard]] std::string make(const Session& session, const Principal& owner, const Location& location) const;
  /// session_unknown where no key here has sealed it, session_foreign where another owner's or another place's is.
  [[nodiscard]] Result<SessionPtr, Reason> open(std::string_view sealed, const Principal& caller,
                                                const Location& location);

 private:
  class Memory;
  const SealKeys& keys_;
  Random& random_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace agw::gateway
