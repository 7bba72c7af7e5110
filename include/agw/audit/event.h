// One call, as a security team reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"
#include "agw/model/decision.h"
#include "agw/model/principal.h"

namespace agw::audit {

enum class Outcome : std::uint8_t { ok, error, aborted, refused, unknown };
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// Everything that is known when the decision stands. Owned strings: it outlives the request.
struct Event {
  std::string id;  ///< request id
  WallTime time{};
  std::string type;  ///< `mcp.tools.call`, `mcp.initialize`, `rest.call`, `mcp.stream`, `policy.change` …
  Decision decision;
  bool enforced = true;
  PrincipalPtr principal;  ///< null before a token was accepted
  std::string agent_name;
  std::string user_name;
  std::string tier;
  std::string operation;
  std::string resource;
  std::string classification;
  std::string audience;
  std::string method;  ///< HTTP
  std::string path;
  std::string mcp_version;
  std::string mcp_method;
  std::string mcp_id;  ///< raw JSON
  std::string mcp_tool;
  std::string client_ip;
  std::string user_agent;
  std::string trace_id;
  std::string span_id;
  std::string text;    ///< the sentence where there is no caller (policy.change); else it is made
  std::string detail;  ///< why a message was malformed, which key is broken …; never a value
};

/// What became of it.
struct Completion {
  Outcome outcome = Outcome::unknown;
  int status = 0;  ///< HTTP status sent
  /// Set when something failed after the decision (backend_refused): shown as the line's reason.
  std::optional<Reason> failure{};
  std::string upstream_address{};
  int upstream_status = 0;
  double upstream_ms = 0;
  std::int64_t overhead_us = 0;  ///< the gateway's own time
};

/// The sentence for people: who was allowed or denied what, and why.
[[nodiscard]] std::string sentence(const Event& event, Reason reason);

/// Appends one line of JSON with its newline. Whatever the strings hold, it is one line of valid
/// JSON; strings over 4 KiB are cut and marked with `…`.
void append_line(std::string& out, const Event& event, const Completion& completion);

}  // namespace agw::audit
