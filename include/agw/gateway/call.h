// What the gateway knows about one call, from the first byte to the audit line.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agw/audit/writer.h"
#include "agw/base/time.h"
#include "agw/gateway/location.h"
#include "agw/mcp/message.h"
#include "agw/model/decision.h"
#include "agw/model/principal.h"
#include "agw/outbound/exchanger.h"

namespace agw::gateway {

/// Lives with the request. Holds owned and immutable things and views of the request's id and
/// header fields; no view into the body.
struct Call {
  const Location* location = nullptr;
  const OperationRoute* route = nullptr;
  std::string_view request_id;   ///< of the Request, like `token`
  std::string_view token;        ///< as sent, once it is known who sent it
  PrincipalPtr principal;
  std::string type;       ///< `mcp.tools.call`, `rest.call` … (audit's `type`)
  std::string operation;  ///< `ns/name`, or empty
  std::string resource;
  Decision decision;
  bool enforced = true;
  mcp::Category category = mcp::Category::unknown;
  mcp::Era era = mcp::Era::legacy;
  bool speaks_rpc = false;      ///< the request was an MCP POST: a refusal's body is a JSON-RPC error
  std::string rpc_id;           ///< raw JSON of the id
  std::string mcp_method;
  std::string mcp_tool;
  std::string mcp_version;
  std::string requested_version;
  std::string subject_name;     ///< the tool, prompt or resource as the client named it, for its error
  std::string_view trace_id;    ///< W3C trace context: the caller's, else the request id
  std::string detail;           ///< for log and audit; never a value of the client
  const outbound::ExchangeSpec* exchange = nullptr;
  outbound::BackendTokenPtr backend_token;
  std::string agent_name;
  std::string user_name;
  std::string tier;
  std::optional<Reason> failure;  ///< what went wrong after the decision
  audit::Writer::Record record;
};

}  // namespace agw::gateway
