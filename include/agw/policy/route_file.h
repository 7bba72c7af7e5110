// The compiled route policy, as the master writes it for agwctl.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/policy/evaluate.h"

namespace agw::policy {

/// One operation of one location.
struct RouteRecord {
  std::string location;  ///< `server/location`, for people
  std::string kind;      ///< mcp | rest
  std::string mode;      ///< enforce | observe | off
  std::string disclosure;
  DelegationMode delegation = DelegationMode::implicit;
  std::string tool;      ///< MCP: one of these three
  std::string prompt;
  std::string uri;       ///< a pattern
  std::string method;    ///< REST
  std::string path;      ///< REST
  Route route;
};

struct RouteFile {
  std::string store;  ///< as agent_store names it, without secrets
  std::vector<RouteRecord> routes;
};

/// `{"v":1,"store":…,"routes":[…]}`.
[[nodiscard]] std::string write_routes(const RouteFile& file);
/// The message says what is wrong.
[[nodiscard]] Result<RouteFile, std::string> read_routes(std::string_view json);

}  // namespace agw::policy
