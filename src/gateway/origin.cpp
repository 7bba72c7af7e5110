#include "agw/gateway/origin.h"

#include <algorithm>

namespace agw::gateway {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// `known` is in lower case.
bool same_text(std::string_view text, std::string_view known) {
  return std::ranges::equal(text, known, [](char a, char b) { return lower(a) == b; });
}

constexpr std::string_view parameter_prefix = "mcp-param-";
constexpr std::size_t most_parameters = 32;

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

/// The fields that repeat arguments have names of the tools' choice: those that the page asks for.
std::string wanted_parameters(std::string_view asked) {
  std::string out;
  std::size_t count = 0;
  while (!asked.empty() && count < most_parameters) {
    std::string_view name = asked.substr(0, asked.find(','));
    asked.remove_prefix(std::min(name.size() + 1, asked.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.size() <= parameter_prefix.size() ||
        !same_text(name.substr(0, parameter_prefix.size()), parameter_prefix) || !is_token(name))
      continue;
    out += ", ";
    out += name;
    ++count;
  }
  return out;
}

}  // namespace

bool origin_allowed(const Location& location, const Headers& headers) {
  const auto [sent, origin] = headers.find("origin");
  if (sent == 0) return true;
  if (sent > 1) return false;
  if (origin == location.resource.origin) return true;
  return std::find(location.origins.begin(), location.origins.end(), origin) != location.origins.end();
}

bool host_allowed(const Location& location, const Headers& headers) {
  if (location.hosts.empty()) return true;
  std::string_view host = headers.get("host");
  if (host.empty() || host.starts_with('[')) return true;
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host == "localhost" || std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }))
    return true;
  return std::ranges::any_of(location.hosts, [&](std::string_view known) {
    if (known == host) return true;
    if (known.starts_with('.') && host.size() > known.size())
      return same_text(host.substr(host.size() - known.size()), known);
    return same_text(host, known);
  });
}

bool is_preflight(const Request& request) {
  return request.method() == "OPTIONS" && request.headers().count("origin") == 1 &&
         request.headers().count("access-control-request-method") == 1;
}

std::vector<std::pair<std::string, std::string>> cors_headers(const Location& location, const Headers& headers) {
  if (headers.count("origin") == 0 || !origin_allowed(location, headers)) return {};
  return {{"Access-Control-Allow-Origin", std::string(headers.get("origin"))},
          {"Access-Control-Expose-Headers",
           "WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"},
          {"Vary", "Origin"}};
}

std::vector<std::pair<std::string, std::string>> preflight_headers(const Location& location, const Headers& headers) {
  auto fields = cors_headers(location, headers);
  fields.emplace_back("Access-Control-Allow-Methods",
                      location.kind == Kind::mcp ? "GET, POST, DELETE" : "GET, HEAD, POST, PUT, PATCH, DELETE");
  std::string allowed =
      "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, "
      "Mcp-Method, Mcp-Name, traceparent, tracestate";
  if (location.kind == Kind::mcp) allowed += wanted_parameters(headers.get("access-control-request-headers"));
  fields.emplace_back("Access-Control-Allow-Headers", std::move(allowed));
  fields.emplace_back("Access-Control-Max-Age", "600");
  return fields;
}

}  // namespace agw::gateway
