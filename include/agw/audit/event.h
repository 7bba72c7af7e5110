// One call, as a security team reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/time.h"
#include "agw/model/decision.h"
#include "agw/model/principal.h"

namespace agw::audit {

enum class Outcome : std::uint8_t { ok, error, aborted, refused, unknown };
inline constexpr std::size_t outcome_count = 5;
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// A change of policy, as its writer recorded it. Views like Event's.
struct Change {
  std::string_view tenant;
  std::string_view version;
  std::string_view by;
  std::string_view reason;
  std::string_view ticket;
  std::string_view what;  ///< names of records: `~agent:company|docs +grants:agent:company|docs`
};

/// Everything that is known when the decision stands. Views: valid while begin() runs, which copies
/// each once, into the journal.
struct Event {
  std::string_view id;  ///< request id
  WallTime time{};
  std::string_view type;  ///< `mcp.tools.call`, `mcp.initialize`, `rest.call`, `mcp.stream`, `policy.change` …
  DecisionKind decision = DecisionKind::deny;
  Reason reason = Reason::internal_error;
  Checks checks;
  bool enforced = true;
  const Principal* principal = nullptr;  ///< null before a token was accepted
  std::string_view agent_name;
  std::string_view user_name;
  std::string_view tier;
  std::string_view operation;
  std::string_view resource;
  std::string_view classification;
  std::string_view audience;
  std::string_view method;  ///< HTTP
  std::string_view path;
  std::string_view mcp_version;
  std::string_view mcp_method;
  std::string_view mcp_id;  ///< raw JSON
  std::string_view mcp_tool;
  std::string_view mcp_prompt;
  std::string_view mcp_uri;
  std::string_view inner_operation;  ///< of the tool inside a tool, or of a resource that is followed
  std::string_view inner_resource;
  std::string_view client_ip;
  std::string_view user_agent;
  std::string_view trace_id;
  std::string_view span_id;
  const Change* change = nullptr;  ///< of policy.change, where it is known who changed what
  std::string_view text;    ///< the sentence where there is no caller (policy.change); else it is made
  bool replay = false;      ///< it was not carried out again: the recorded answer was given
  bool break_glass = false;  ///< a stop was in force, and didn't hold for this agent
  bool grace = false;        ///< the store wasn't reached: it was judged by what was known of it a moment ago
  std::string_view detail;  ///< why a message was malformed, which key is broken …; never a value
};

/// What became of it.
struct Completion {
  Outcome outcome = Outcome::unknown;
  int status = 0;  ///< HTTP status sent
  /// Set when something failed after the decision (backend_refused): shown as the line's reason.
  std::optional<Reason> failure{};
  std::string_view upstream_address{};  ///< valid while finish() runs
  int upstream_status = 0;
  double upstream_ms = 0;
  std::int64_t response_bytes = 0;  ///< sent to the client, without the head
  std::int64_t overhead_us = 0;  ///< the gateway's own time
  std::uint32_t items_shown = 0;   ///< of lists in the answer, to the caller
  std::uint32_t items_hidden = 0;  ///< taken out of them
};

}  // namespace agw::audit
