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

/// Lives with the request. Holds only owned or immutable things: no view into the body.
struct Call {
  const Location* location = nullptr;
  const OperationRoute* route = nullptr;
  PrincipalPtr principal;
  std::string type;       ///< `mcp.tools.call`, `rest.call` … (audit's `type`)
  std::string operation;  ///< `ns/name`, or empty
  std::string resource;
  Decision decision;
  bool enforced = true;
  bool is_mcp_request = false;  ///< a refusal's body is a JSON-RPC error
  std::string rpc_id;           ///< raw JSON of the id
  std::string mcp_method;
  std::string mcp_tool;
  std::string mcp_version;
  std::string requested_version;
  std::string detail;           ///< for log and audit; never a value of the client
  const outbound::ExchangeSpec* exchange = nullptr;
  outbound::BackendTokenPtr backend_token;
  std::string agent_name;
  std::string user_name;
  std::string tier;
  audit::Writer::Record record;
};

}  // namespace agw::gateway
