#include "support/expected.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "agw/base/encoding.h"
#include "agw/io/headers.h"

namespace agw::fuzz {
namespace {

/// An argument as a part of a resource: a string or a whole number.
std::string part_of(const json_t* value) {
  return encode_part(json_is_integer(value) ? std::to_string(json_integer_value(value)) : text_of(value));
}

/// The one name in a route's resource, if it has one, stands at its end.
std::string resource_of(const gateway::OperationRoute& route, const std::string& part) {
  if (!route.policy.resource) return {};
  const std::string& text = route.policy.resource->text();
  return text.substr(0, text.find('<')) + part;
}

Asked asked_of(const gateway::OperationRoute* route, const std::string& part) {
  if (route == nullptr) return {};
  return {route, route->policy.operation, resource_of(*route, part)};
}

void take(Expected& out, Asked asked) { static_cast<Asked&>(out) = std::move(asked); }

const gateway::OperationRoute* named(const gateway::Location& location, const gateway::NameRoutes& names,
                                     const std::string& name) {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &location.routes[found->second];
}

const gateway::OperationRoute* of_pattern(const gateway::Location& location, std::string_view pattern) {
  const auto found = std::ranges::find_if(location.routes, [&](const auto& route) { return route.uri == pattern; });
  return found == location.routes.end() ? nullptr : &*found;
}

constexpr std::string_view guides = "docs://guides/";
constexpr std::string_view freely = "docs://free/";

/// Percent-encoded octets resolved, and `+` if it stands for a space.
std::string decoded(std::string_view text, bool form) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && text.size() - i > 2;
    if (escape)
      out += static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
    else
      out += form && text[i] == '+' ? ' ' : text[i];
    i += escape ? 2 : 0;
  }
  return out;
}

constexpr std::string_view terms = "docs://free/terms";

/// Some reader could take the URI for `docs://free/terms`.
bool may_be_terms(const std::string& uri) {
  std::string reading = decoded(uri.substr(0, uri.find('?')), false);
  if (reading.ends_with('/')) reading.pop_back();
  return reading == terms;
}

/// A resource of mcp_site.h: its URI has one reading, whoever reads it.
Asked resource_at(const gateway::Location& location, const std::string& uri) {
  constexpr std::string_view odd("\\#{}<>\"^`| \x7F\0", 13);
  for (const std::string& reading : {uri, decoded(uri, false)}) {
    if (reading.find("/../") != std::string::npos || reading.find("/./") != std::string::npos ||
        reading.ends_with("/..") || reading.ends_with("/."))
      return {};
  }
  if (uri.find_first_of(odd) != std::string::npos) return {};
  if (uri == terms) return asked_of(of_pattern(location, uri), {});
  if (may_be_terms(uri)) return {};
  if (uri.starts_with(guides) && uri.size() > guides.size()) {
    const std::string segment = uri.substr(guides.size());
    if (segment.find_first_of("/?") != std::string::npos) return {};
    return asked_of(of_pattern(location, "docs://guides/<id>"), encode_part(decoded(segment, false)));
  }
  if (uri.starts_with(freely) && uri.size() > freely.size()) return asked_of(of_pattern(location, "docs://free/*"), {});
  return {};
}

const gateway::OperationRoute* of_template(const gateway::Location& location, const std::string& text) {
  if (text.starts_with(std::string(guides) + "{")) return of_pattern(location, "docs://guides/<id>");
  if (text.starts_with(freely)) return of_pattern(location, "docs://free/*");
  return nullptr;
}

/// What stands for an argument that could have any value.
std::string any_part() { return encode_part("<id>"); }

void expect_completion(Expected& out, const gateway::Location& location, const json_t* params) {
  const json_t* ref = json_object_get(params, "ref");
  out.is_operation = true;
  if (text_of(json_object_get(ref, "type")) == "ref/prompt") {
    out.of_many = true;
    take(out, asked_of(named(location, location.prompts, text_of(json_object_get(ref, "name"))), any_part()));
    return;
  }
  const std::string uri = text_of(json_object_get(ref, "uri"));
  out.of_many = uri.find('{') != std::string::npos;
  take(out, out.of_many ? asked_of(of_template(location, uri), any_part()) : resource_at(location, uri));
}

/// The field says what the argument says: as it is, in Base64, or as a number.
bool repeats(const Headers::Found& field, const json_t* value, bool modern) {
  const bool there = value != nullptr && !json_is_null(value);
  if (field.count == 0) return !there || !modern;
  if (field.count > 1 || !there) return false;
  std::string_view text = field.value;
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (json_is_number(value)) return std::strtod(std::string(text).c_str(), nullptr) == json_number_value(value);
  if (json_is_boolean(value)) return text == (json_is_true(value) ? "true" : "false");
  if (!json_is_string(value)) return false;
  if (text == text_of(value)) return true;
  if (!text.starts_with("=?base64?") || !text.ends_with("?=") || text.size() < 11) return false;
  return base64_decode(text.substr(9, text.size() - 11)) == text_of(value);
}

std::string folded(std::string_view name) {
  std::string out(name);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 ? static_cast<char>(std::tolower(c)) : '-';
  });
  return out;
}

/// Fields that the loosest server takes for this one.
int likenesses(const Headers& fields, std::string_view field) {
  struct Counting {
    std::string field;
    int found = 0;
  } counting{folded(field)};
  fields.each(
      [](void* context, std::string_view name, std::string_view) {
        auto& here = *static_cast<Counting*>(context);
        if (folded(name) == here.field) ++here.found;
      },
      &counting);
  return counting.found;
}

void expect_tool(Expected& out, const gateway::Location& location, const Headers& fields, const json_t* params) {
  const json_t* arguments = json_object_get(params, "arguments");
  take(out, asked_of(named(location, location.tools, out.name), part_of(json_object_get(arguments, "id"))));
  if (out.route == nullptr || out.route->tool_rules == nullptr) return;
  for (const auto& rule : out.route->tool_rules->headers) {
    const auto found = fields.find(rule.field);
    const json_t* argument = json_object_get(arguments, rule.argument.front().c_str());
    out.mirrored = out.mirrored && repeats(found, argument, out.modern) &&
                   likenesses(fields, rule.field) == static_cast<int>(found.count);
  }
  if (!out.route->tool_rules->inner) return;
  const json_t* inside = json_object_get(json_object_get(arguments, "arguments"), "id");
  out.further.push_back(
      asked_of(named(location, location.tools, text_of(json_object_get(arguments, "tool"))), part_of(inside)));
}

void expect_listening(Expected& out, const gateway::Location& location, const json_t* params) {
  const json_t* uris = json_object_get(json_object_get(params, "notifications"), "resourceSubscriptions");
  for (std::size_t i = 0; i < json_array_size(uris); ++i)
    out.further.push_back(resource_at(location, text_of(json_array_get(uris, i))));
}

void expect_mirrors(Expected& out, const Headers& fields) {
  const auto says = [&](const char* field, const std::string& wanted) {
    const json_t* const text = json_stringn(wanted.data(), wanted.size());
    const Json owned(const_cast<json_t*>(text), json_decref);
    return repeats(fields.find(field), text, out.modern);
  };
  const bool is_named = out.method == "tools/call" || out.method == "prompts/get" || out.method == "resources/read";
  out.mirrored = says("mcp-method", out.method) && (!is_named || says("mcp-name", out.name));
}

Expected expected_mcp(const gateway::Location& location, const gateway::Request& request, std::string_view body) {
  Expected out;
  if (request.method() != "POST") {
    out.readable = request.method() == "GET" || request.method() == "DELETE";
    out.needs_session = request.headers().count("last-event-id") > 0;
    return out;
  }
  const Json root = read_json(body);
  out.readable = json_is_object(root.get());
  out.method = text_of(json_object_get(root.get(), "method"));
  out.needs_session = out.method.empty();
  const json_t* params = json_object_get(root.get(), "params");
  const json_t* meta = json_object_get(params, "_meta");
  out.modern = json_object_get(meta, "io.modelcontextprotocol/protocolVersion") != nullptr;
  // A notification needs no _meta.
  if (request.headers().get("mcp-protocol-version") == "2026-07-28") out.modern = true;
  const bool has_uri = out.method.starts_with("resources/") || out.method == "skills/get";
  out.name = text_of(json_object_get(params, has_uri ? "uri" : "name"));
  if (!out.method.empty()) expect_mirrors(out, request.headers());
  if (out.method == "tools/call" || out.method == "prompts/get") out.is_operation = true;
  if (out.method == "tools/call") expect_tool(out, location, request.headers(), params);
  if (out.method == "prompts/get")
    take(out, asked_of(named(location, location.prompts, out.name),
                       part_of(json_object_get(json_object_get(params, "arguments"), "id"))));
  if (out.method == "completion/complete") expect_completion(out, location, params);
  if (out.method == "subscriptions/listen") expect_listening(out, location, params);
  if (has_uri && !out.method.ends_with("/list")) {
    out.is_operation = true;
    take(out, resource_at(location, out.name));
  }
  return out;
}

/// The first value of a query's parameter, percent and plus resolved.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view raw = query.substr(0, end);
    const std::string item = decoded(raw, true);
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
    take(out, asked_of(&location.routes[0], encode_part(path.substr(tickets.size()))));
  } else if (request.method() == "POST" && path == "/api/tickets") {
    const Json root = read_json(body);
    out.readable = json_is_object(root.get());
    take(out, asked_of(&location.routes[1], part_of(json_object_get(root.get(), "id"))));
  } else if (reads && path == "/api/find") {
    take(out, asked_of(&location.routes[2], encode_part(parameter(request.query(), "id"))));
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
  return location.kind == gateway::Kind::mcp ? expected_mcp(location, request, *body)
                                             : expected_rest(location, request, *body);
}

const gateway::OperationRoute* listed_route(const gateway::Location& location, std::string_view list,
                                            const json_t* item) {
  const auto text = [&](const char* member) { return text_of(json_object_get(item, member)); };
  if (list == "tools") return named(location, location.tools, text("name"));
  if (list == "prompts") return named(location, location.prompts, text("name"));
  if (list == "resources") return resource_at(location, text("uri")).route;
  return of_template(location, text("uriTemplate"));
}

}  // namespace agw::fuzz
