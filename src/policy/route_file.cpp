#include "agw/policy/route_file.h"

#include <algorithm>
#include <memory>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

namespace agw::policy {
namespace {

void append_strings(std::string& out, const std::vector<std::string>& values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) out += (i > 0 ? "," : "") + json_quoted(values[i]);
  out += ']';
}

std::string text_of(const json_t* object, const char* key) {
  const json_t* value = json_object_get(object, key);
  return json_is_string(value) ? std::string(json_string_value(value), json_string_length(value)) : std::string();
}

std::vector<std::string> strings_of(const json_t* object, const char* key) {
  std::vector<std::string> out;
  const json_t* list = json_object_get(object, key);
  for (std::size_t i = 0; i < json_array_size(list); ++i) {
    const json_t* item = json_array_get(list, i);
    if (json_is_string(item)) out.emplace_back(json_string_value(item), json_string_length(item));
  }
  return out;
}

/// Files of versions without limits have none.
Result<void, std::string> read_limits(const json_t* object, Route& route) {
  const json_t* cost = json_object_get(object, "cost");
  if (json_is_integer(cost)) route.cost = json_integer_value(cost);
  const json_t* list = json_object_get(object, "limits");
  for (std::size_t i = 0; i < json_array_size(list); ++i) {
    const json_t* entry = json_array_get(list, i);
    auto limit = parse_limit(text_of(entry, "limit"));
    if (!limit) return fail("a limit of " + route.operation + " " + limit.error());
    limit->place = text_of(entry, "place");
    route.limits.push_back(*std::move(limit));
  }
  return {};
}

void append_limits(std::string& out, const Route& route) {
  out += R"(,"limits":[)";
  for (std::size_t i = 0; i < route.limits.size(); ++i) {
    if (i > 0) out += ',';
    out += R"({"place":)" + json_quoted(route.limits[i].place);
    out += R"(,"limit":)" + json_quoted(write_limit(route.limits[i])) + '}';
  }
  out += R"(],"cost":)" + std::to_string(route.cost);
}

/// Files of versions without conditions have none. Which value a variable has only nginx knows.
Result<void, std::string> read_require(const json_t* object, Route& route) {
  Condition::Compiling compiling;
  compiling.variable = [](const std::string&) -> Result<std::intptr_t, std::string> { return std::intptr_t{0}; };
  for (const std::string& text : strings_of(object, "require")) {
    auto condition = Condition::compile(text, compiling);
    if (!condition) return fail("a condition of " + route.operation + " " + condition.error());
    route.require.push_back(*std::move(condition));
  }
  return {};
}

Result<RouteRecord, std::string> read_record(const json_t* object) {
  RouteRecord out;
  out.location = text_of(object, "location");
  out.kind = text_of(object, "kind");
  out.mode = text_of(object, "mode");
  out.disclosure = text_of(object, "disclosure");
  out.delegation = text_of(object, "delegation") == "implicit" ? DelegationMode::implicit : DelegationMode::required;
  out.tool = text_of(object, "tool");
  out.prompt = text_of(object, "prompt");
  out.uri = text_of(object, "uri");
  out.method = text_of(object, "method");
  out.path = text_of(object, "path");
  out.route.operation = text_of(object, "operation");
  out.route.scopes = strings_of(object, "scopes");
  out.route.exchange_scopes = strings_of(object, "exchange_scopes");
  out.route.classification = text_of(object, "class");
  out.route.risk = text_of(object, "risk");
  if (auto read = read_limits(object, out.route); !read) return fail(read.error());
  if (auto read = read_require(object, out.route); !read) return fail(read.error());
  if (out.route.operation.empty()) return fail(std::string("a route without an operation"));
  const std::string resource = text_of(object, "resource");
  if (resource.empty()) return out;
  auto parsed = ResourceTemplate::parse(resource);
  if (!parsed) return fail("the resource of " + out.route.operation + " " + parsed.error());
  out.route.resource = *std::move(parsed);
  return out;
}

}  // namespace

std::string write_routes(const RouteFile& file) {
  std::string out = R"({"v":1,"store":)" + json_quoted(file.store) + R"(,"routes":[)";
  for (std::size_t i = 0; i < file.routes.size(); ++i) {
    const RouteRecord& record = file.routes[i];
    out += i > 0 ? ",\n{" : "\n{";
    const auto text = [&out](std::string_view key, std::string_view value, std::string_view before = ",") {
      out += before;
      out += json_quoted(key) + ":" + json_quoted(value);
    };
    text("location", record.location, "");
    text("kind", record.kind);
    text("mode", record.mode);
    text("disclosure", record.disclosure);
    text("delegation", record.delegation == DelegationMode::implicit ? "implicit" : "required");
    text("tool", record.tool);
    text("prompt", record.prompt);
    text("uri", record.uri);
    text("method", record.method);
    text("path", record.path);
    text("operation", record.route.operation);
    text("resource", record.route.resource ? record.route.resource->text() : "");
    text("class", record.route.classification);
    text("risk", record.route.risk);
    out += R"(,"scopes":)";
    append_strings(out, record.route.scopes);
    out += R"(,"exchange_scopes":)";
    append_strings(out, record.route.exchange_scopes);
    append_limits(out, record.route);
    std::vector<std::string> require;
    require.reserve(record.route.require.size());
    for (const auto& condition : record.route.require) require.push_back(condition->text());
    out += R"(,"require":)";
    append_strings(out, require);
    out += '}';
  }
  out += "\n]}\n";
  return out;
}

Result<RouteFile, std::string> read_routes(std::string_view json) {
  json::TreeError error;
  const json::Tree root = json::read_tree(json, &error);
  if (!root) return fail("line " + std::to_string(error.line) + ": " + error.message);
  const json_t* version = json_object_get(root.get(), "v");
  if (!json_is_integer(version) || json_integer_value(version) != 1)
    return fail(std::string("not a route file of version 1"));
  RouteFile out;
  out.store = text_of(root.get(), "store");
  const json_t* routes = json_object_get(root.get(), "routes");
  for (std::size_t i = 0; i < json_array_size(routes); ++i) {
    auto record = read_record(json_array_get(routes, i));
    if (!record) return fail(record.error());
    out.routes.push_back(*std::move(record));
  }
  return out;
}

}  // namespace agw::policy
