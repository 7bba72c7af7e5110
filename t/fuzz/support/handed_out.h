// What backends gave out, and what agents were given for it: whoever brings something back is held against that.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"
#include "support/gateway_world.h"

namespace agw::fuzz {

class HandedOut {
 public:
  /// The backend answers with a session id of its own: its and the agent's are secrets from here on.
  [[nodiscard]] std::vector<std::string> open_session(const gateway::Gateway& gateway, const gateway::Call& call);
  /// The agent gets `sealed` for the state that the backend's answer held.
  void give_state(const gateway::Call& call, const gateway::Request& request, std::string raw, std::string sealed,
                  WallTime now);

  /// One of those that were given; empty: none was.
  [[nodiscard]] std::string session(unsigned which) const;
  [[nodiscard]] std::string state(unsigned which) const;

  /// Of a call that goes on from a location that binds them: what was brought back is its caller's, and the backend
  /// gets what it gave.
  void judge_session(const gateway::Call& call, const Expected& expected, const gateway::Request& request,
                     const gateway::Forward& forward) const;
  void judge_body(const gateway::Call& call, const Expected& expected, std::string_view sent,
                  const gateway::Forward& forward, WallTime now) const;

 private:
  struct Owner {
    std::string user;
    std::string agent;
    std::string tenant;
    bool operator==(const Owner&) const = default;
  };
  struct GivenSession {
    Owner owner;
    std::string backend_id;
    std::string sealed;
  };
  struct GivenState {
    Owner owner;
    std::string message;  ///< that it was given for
    std::string raw;      ///< its characters
    std::string sealed;
    WallTime given;
  };
  [[nodiscard]] static Owner owner_of(const gateway::Call& call);

  std::vector<GivenSession> sessions_;
  std::vector<GivenState> states_;
};

}  // namespace agw::fuzz
