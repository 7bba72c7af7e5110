#include "agw/gateway/origin.h"

#include <algorithm>

namespace agw::gateway {

bool origin_allowed(const Location& location, const Headers& headers) {
  const auto [sent, origin] = headers.find("origin");
  if (sent == 0) return true;
  if (sent > 1) return false;
  if (origin == location.resource.origin) return true;
  return std::find(location.origins.begin(), location.origins.end(), origin) != location.origins.end();
}

bool is_preflight(const Request& request) {
  return request.method() == "OPTIONS" && request.headers().count("origin") == 1 &&
         request.headers().count("access-control-request-method") == 1;
}

std::vector<std::pair<std::string, std::string>> cors_headers(const Location& location, const Headers& headers) {
  if (headers.count("origin") == 0 || !origin_allowed(location, headers)) return {};
  return {{"Access-Control-Allow-Origin", std::string(headers.get("origin"))},
          {"Access-Control-Expose-Headers",
           "WWW-Authenticate, Mcp-Session-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"},
          {"Vary", "Origin"}};
}

std::vector<std::pair<std::string, std::string>> preflight_headers(const Location& location, const Headers& headers) {
  auto fields = cors_headers(location, headers);
  fields.emplace_back("Access-Control-Allow-Methods",
                      location.kind == Kind::mcp ? "GET, POST, DELETE" : "GET, HEAD, POST, PUT, PATCH, DELETE");
  fields.emplace_back("Access-Control-Allow-Headers",
                      "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, "
                      "Mcp-Method, Mcp-Name, traceparent, tracestate");
  fields.emplace_back("Access-Control-Max-Age", "600");
  return fields;
}

}  // namespace agw::gateway
