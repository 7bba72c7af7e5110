#include "support/expected.h"

#include <algorithm>
#include <cstdlib>

#include "agw/base/encoding.h"

namespace agw::fuzz {
namespace {

/// The resource `ticket:` of a JSON value: a string or a whole number.
std::string ticket(const json_t* value) {
  if (json_is_integer(value)) return "ticket:" + encode_part(std::to_string(json_integer_value(value)));
  return "ticket:" + encode_part(text_of(value));
}

std::string ticket(std::string_view value) { return "ticket:" + encode_part(value); }

void take_route(Expected& out, const gateway::OperationRoute& route, std::string resource) {
  out.route = &route;
  out.operation = route.policy.operation;
  out.resource = std::move(resource);
}

Expected expected_mcp(const gateway::Location& location, std::string_view verb, std::string_view body) {
  Expected out;
  if (verb != "POST") {
    out.readable = verb == "GET" || verb == "DELETE";
    return out;
  }
  const Json root = read_json(body);
  out.readable = json_is_object(root.get());
  const std::string method = text_of(json_object_get(root.get(), "method"));
  out.is_operation = method == "tools/call" || method == "prompts/get" || method == "resources/read";
  if (method != "tools/call") return out;
  const json_t* params = json_object_get(root.get(), "params");
  const auto found = location.tools.find(text_of(json_object_get(params, "name")));
  if (found == location.tools.end()) return out;
  const json_t* id = json_object_get(json_object_get(params, "arguments"), "id");
  take_route(out, location.routes[found->second], ticket(id));
  return out;
}

/// The first value of a query's parameter, percent and plus resolved.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    std::string item;
    const std::string_view raw = query.substr(0, end);
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const bool escape = raw[i] == '%' && raw.size() - i > 2;
      if (escape)
        item += static_cast<char>(std::strtol(std::string(raw.substr(i + 1, 2)).c_str(), nullptr, 16));
      else
        item += raw[i] == '+' ? ' ' : raw[i];
      i += escape ? 2 : 0;
    }
    const std::size_t equals = raw.find('=');
    const bool named = equals != std::string_view::npos && item.starts_with(std::string(name) + "=");
    if (named) return item.substr(name.size() + 1);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  return {};
}

Expected expected_rest(const gateway::Location& location, const gateway::Request& request, std::string_view body) {
  Expected out;
  out.readable = true;
  out.is_operation = true;
  constexpr std::string_view tickets = "/api/tickets/";
  const std::string_view path = request.path();
  const bool reads = request.method() == "GET" || request.method() == "HEAD";
  // A name in a path is never empty.
  if (reads && path.starts_with(tickets) && path != tickets &&
      path.substr(tickets.size()).find('/') == std::string_view::npos) {
    take_route(out, location.routes[0], ticket(path.substr(tickets.size())));
  } else if (request.method() == "POST" && path == "/api/tickets") {
    const Json root = read_json(body);
    out.readable = json_is_object(root.get());
    take_route(out, location.routes[1], ticket(json_object_get(root.get(), "id")));
  } else if (reads && path == "/api/find") {
    take_route(out, location.routes[2], ticket(parameter(request.query(), "id")));
  }
  return out;
}

}  // namespace

Json read_json(std::string_view text) {
  return {json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, nullptr), json_decref};
}

std::string text_of(const json_t* value) {
  return json_is_string(value) ? std::string(json_string_value(value), json_string_length(value)) : std::string();
}

bool holds(const json_t* value, std::string_view wanted) {
  if (json_is_string(value)) return text_of(value) == wanted;
  for (std::size_t i = 0; i < json_array_size(value); ++i)
    if (text_of(json_array_get(value, i)) == wanted) return true;
  return false;
}

Expected expected_of(const gateway::Location& location, const gateway::Request& request) {
  // The fake's body is its own content, which nobody changes (course.cpp sees to that).
  auto step = const_cast<gateway::Request&>(request).body(static_cast<std::size_t>(-1));
  const auto body = step.take();
  return location.kind == gateway::Kind::mcp ? expected_mcp(location, request.method(), *body)
                                             : expected_rest(location, request, *body);
}

}  // namespace agw::fuzz
