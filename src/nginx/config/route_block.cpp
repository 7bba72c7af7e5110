// agent_tool NAME { … }, agent_prompt NAME { … }, agent_mcp_resource PATTERN { … }, agent_operation NAME METHOD PATH {
// … }
#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "agw/model/pattern.h"

#include "directive_table.h"
#include "reading.h"
#include "tool_rules.h"

namespace agw::nginx {
namespace {

/// MCP 2025-11-25: names of 1 to 128 of [A-Za-z0-9_.-]; older servers have others, so anything
/// printable is taken, quoted.
bool is_subject_name(std::string_view name) {
  return !name.empty() && name.size() <= 1024 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c != 0x7F; });
}

constexpr std::int64_t most_cost = 1'000'000;

Checked read_key_place(std::string_view name, std::string_view word, idempotency::Rule& rule) {
  const auto named = option(word);
  if (word == "header" || (named && named->first == "header")) {
    rule.header = named ? named->second : "idempotency-key";
    std::ranges::transform(rule.header, rule.header.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (is_field_name(rule.header)) return {};
  } else if (word.starts_with('<') && word.ends_with('>')) {
    auto argument = policy::ResourceTemplate::parse(word);
    if (argument && argument->placeholders().size() == 1) {
      rule.argument = *std::move(argument);
      return {};
    }
  }
  return fail(quoted(name) + " has " + quoted(word) +
              " for the key's place; write one argument, as <requestId>, or header, or header=NAME");
}

Result<idempotency::Rule, std::string> read_idempotency(std::string_view name, Words words) {
  idempotency::Rule rule;
  if (auto read = read_key_place(name, words[0], rule); !read) return fail(read.error());
  for (const std::string_view word : words.subspan(1)) {
    const auto found = option(word);
    const std::string_view key = found ? found->first : std::string_view();
    if (key == "ttl") {
      const auto time = time_value("ttl", found->second, {std::chrono::minutes(1), std::chrono::hours(24 * 366)});
      if (!time) return fail(time.error());
      rule.ttl = *time;
    } else if (key == "answer") {
      const auto size = size_value("answer", found->second, 1, std::size_t{4} << 20);
      if (!size) return fail(size.error());
      rule.most_bytes = *size;
    } else if (key == "wait") {
      const auto time = time_value("wait", found->second, {Milliseconds(0), std::chrono::minutes(1)});
      if (!time) return fail(time.error());
      rule.wait = *time;
    } else {
      return fail(quoted(name) + " has the unknown word " + quoted(word) +
                  "; write ttl=TIME, answer=SIZE or wait=TIME");
    }
  }
  return rule;
}

class RouteReader final : public BlockReader {
 public:
  RouteReader(RouteSetting& route, Block block) : route_(route), block_(block) {}
  Checked line(ngx_conf_t* cf, Words words, const Place& place) override;

 private:
  Checked take(ngx_conf_t* cf, const ParameterRow& row, Words words, const Place& place);

  RouteSetting& route_;
  Block block_;
  std::map<std::string_view, Place> seen_;
};

Checked RouteReader::line(ngx_conf_t* cf, Words words, const Place& place) {
  const auto rows = route_parameters();
  const auto row = std::ranges::find_if(
      rows, [&](const ParameterRow& known) { return known.name == words[0] && (known.blocks & block_) != 0; });
  if (row == rows.end()) {
    std::vector<std::string_view> names;
    for (const auto& known : rows)
      if ((known.blocks & block_) != 0) names.push_back(known.name);
    return fail(quoted(words[0]) + " is unknown here; write one of " + listed(names));
  }
  if (words.size() - 1 < row->least || words.size() - 1 > row->most)
    return fail(quoted(words[0]) + " has the wrong number of arguments; write: " + std::string(row->name) + " " +
                std::string(row->syntax));
  if (const auto before = seen_.find(row->name); before != seen_.end() && !row->repeatable)
    return fail(twice(row->name, before->second));
  seen_.emplace(row->name, place);
  return take(cf, *row, words, place);
}

Checked RouteReader::take(ngx_conf_t* cf, const ParameterRow& row, Words words, const Place& place) {
  switch (row.id) {
    case Parameter::operation:
      if (!is_name(words[1]))
        return fail(quoted("operation") + " is " + quoted(words[1]) + "; write letters, digits and . _ - only");
      route_.operation = words[1];
      return {};
    case Parameter::scope:
      for (const std::string_view word : words.subspan(1))
        if (auto added = add_scopes(row.name, word, route_.scopes); !added) return added;
      return {};
    case Parameter::resource: {
      auto resource = policy::ResourceTemplate::parse(words[1]);
      if (!resource) return fail(quoted("resource") + " is " + quoted(words[1]) + ": it " + resource.error());
      // Patterns end after one of these: no grant but an exact one could ever name it.
      if (resource->placeholders().empty() && words[1].find_first_of(":/.") == std::string_view::npos)
        return fail(quoted("resource") + " is " + quoted(words[1]) + "; write a kind and what it is of, as " +
                    std::string(words[1]) + ":<id>");
      route_.resource = *std::move(resource);
      return {};
    }
    case Parameter::classification: route_.classification = words[1]; return {};
    case Parameter::risk: route_.risk = words[1]; return {};
    case Parameter::exchange: {
      auto spec = read_exchange(row.name, words.subspan(1));
      if (!spec) return fail(spec.error());
      route_.exchange = *std::move(spec);
      return {};
    }
    case Parameter::mode: {
      static constexpr std::array modes{Choice{"enforce", gateway::Mode::enforce},
                                        Choice{"observe", gateway::Mode::observe}, Choice{"off", gateway::Mode::off}};
      const auto mode = choose<gateway::Mode>(row.name, words[1], modes);
      if (!mode) return fail(mode.error());
      route_.mode = *mode;
      return {};
    }
    case Parameter::limit: {
      auto limit = read_limit(row.name, words.subspan(1));
      if (!limit) return fail(limit.error());
      route_.limits.push_back(*std::move(limit));
      return {};
    }
    case Parameter::cost: {
      const std::string_view word = words[1];
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), route_.cost);
      if (error != std::errc() || end != word.data() + word.size() || route_.cost < 1 || route_.cost > most_cost)
        return fail(quoted("cost") + " is " + quoted(word) + "; write a number from 1 to " + std::to_string(most_cost));
      return {};
    }
    case Parameter::require: {
      auto condition = read_condition(cf, row.name, words[1]);
      if (!condition) return fail(condition.error());
      route_.require.push_back({*std::move(condition), place});
      return {};
    }
    case Parameter::idempotency: {
      auto rule = read_idempotency(row.name, words.subspan(1));
      if (!rule) return fail(rule.error());
      route_.idempotency = std::make_shared<const idempotency::Rule>(*std::move(rule));
      return {};
    }
    case Parameter::inner: {
      auto rule = read_inner(words.subspan(1));
      if (!rule) return fail(rule.error());
      route_.tool_rules.inner = *std::move(rule);
      return {};
    }
    case Parameter::lists: {
      auto listing = read_listing(words.subspan(1));
      if (!listing) return fail(listing.error());
      route_.tool_rules.listing = *std::move(listing);
      return {};
    }
    case Parameter::param_header: {
      auto rule = read_param_header(words.subspan(1));
      if (!rule) return fail(rule.error());
      for (const auto& other : route_.tool_rules.headers)
        if (other.field == rule->field)
          return fail("\"param_header\" has " + quoted(words[2]) + " twice; write it once");
      route_.tool_rules.headers.push_back(*std::move(rule));
      return {};
    }
    default: return fail(quoted(words[0]) + " can't stand here");
  }
}

/// The location's own list, begun with its first route.
Result<RouteSettings*, std::string> routes_of(const Reading& in, gateway::Kind kind) {
  auto& routes = in.location.settings->routes;
  if (!routes) {
    routes = std::make_shared<RouteSettings>();
    routes->kind = kind;
  }
  if (routes->kind != kind)
    return fail(quoted(in.name()) +
                " stands beside routes of the other kind; a location has agent_tool, agent_prompt and "
                "agent_mcp_resource (mcp) or agent_operation (rest)");
  return routes.get();
}

Checked add(const Reading& in, RouteSettings& routes, RouteSetting route) {
  const auto [before, added] = routes.operations.emplace(route.operation, in.place);
  if (!added)
    return fail(quoted(in.name()) + ": the operation " + route.operation + " is written twice; it stands already in " +
                std::string(before->second.file) + ":" + std::to_string(before->second.line));
  routes.list.push_back(std::move(route));
  return {};
}

Checked check_placeholders(std::string_view name, const policy::ResourceTemplate& named, const RouteSetting& route) {
  for (const auto& path : named.placeholders())
    if (auto checked = check_argument(name, path, route.path, route.path_text); !checked) return checked;
  return {};
}

/// The pattern as an operation's name: what can't be in one separates its words.
std::string words_of_pattern(std::string_view pattern) {
  std::string out;
  bool begins = false;
  for (const char c : pattern) {
    const bool of_word = is_name(std::string_view(&c, 1));
    if (of_word && begins && !out.empty()) out += '/';
    begins = !of_word;
    if (of_word) out += c;
  }
  return out;
}

Checked check_capture(std::string_view name, const ArgumentPath& path, const mcp::UriPattern& pattern) {
  if (path.size() == 1 && std::ranges::find(pattern.names(), path[0]) != pattern.names().end()) return {};
  return fail(quoted(name) + " names <" + path[0] + ">, which is no segment of " + pattern.text() +
              "; write a name that stands there, as docs://guides/<id>");
}

/// A template that no request of this location can have is a mistake.
Checked check_reachable(const Reading& in, const RouteSetting& route) {
  const auto* core =
      static_cast<const ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(in.cf, ngx_http_core_module));
#if (NGX_PCRE)
  if (core->regex != nullptr) return {};
#endif
  if (core->named || core->noname) return {};
  const std::string_view location = view(core->name);
  const std::string_view literal = std::string_view(route.path_text).substr(0, route.path_text.find('<'));
  if (literal.starts_with(location) || (location.starts_with(literal) && literal.size() < route.path_text.size()))
    return {};
  return fail(quoted(in.name()) + " has the path " + route.path_text + ", which never comes to the location " +
              std::string(location) + "; write the path as clients send it, beginning with " + std::string(location));
}

}  // namespace

/// `<id>` must be in the path; `query` and `body` have names of their own.
Checked check_argument(std::string_view name, const ArgumentPath& path, const rest::Template& route,
                       std::string_view route_text) {
  const bool from_path = path.size() == 1;
  const bool from_query = path.size() == 2 && path[0] == "query";
  const bool from_body = path.size() >= 2 && path[0] == "body";
  if (!from_path && !from_query && !from_body)
    return fail(quoted(name) + " names <" + path[0] + "/…>; write <name> of the path, <query/x> or <body/x>");
  if (from_body && (route.method == "GET" || route.method == "HEAD"))
    return fail(quoted(name) + " names <body/…>, and " + route.method +
                " has no body; write <name> of the path or <query/x>");
  if (!from_path) return {};
  const std::string wanted = "<" + path[0] + ">";
  if (std::ranges::find(route.segments, wanted) == route.segments.end())
    return fail(quoted(name) + " names " + wanted + ", which is no segment of " + std::string(route_text) +
                "; write <query/" + path[0] + "> or <body/" + path[0] + "> for other places");
  return {};
}

Checked read_tool(const Reading& in) {
  const auto routes = routes_of(in, gateway::Kind::mcp);
  if (!routes) return fail(routes.error());
  if (!is_subject_name(in.words[1]))
    return fail(quoted(in.name()) + " needs the tool's name, printable and up to 1024 bytes");
  const auto [before, added] = (*routes)->tools.emplace(std::string(in.words[1]), in.place);
  if (!added) return fail(twice(std::string(in.name()) + " " + std::string(in.words[1]), before->second));
  RouteSetting route;
  route.place = in.place;
  route.subject = mcp::SubjectKind::tool;
  route.name = in.words[1];
  if (is_name(in.words[1])) route.operation = in.words[1];
  RouteReader reader(route, of_tool);
  if (auto read = reader.read(in.cf); !read) return read;
  if (route.operation.empty())
    return fail(quoted(in.name()) + " " + quoted(in.words[1]) +
                " can't name an operation; write: operation NAME; of letters, digits and . _ -");
  return add(in, **routes, std::move(route));
}

Checked read_prompt(const Reading& in) {
  const auto routes = routes_of(in, gateway::Kind::mcp);
  if (!routes) return fail(routes.error());
  if (!is_subject_name(in.words[1]))
    return fail(quoted(in.name()) + " needs the prompt's name, printable and up to 1024 bytes");
  const auto [before, added] = (*routes)->prompts.emplace(std::string(in.words[1]), in.place);
  if (!added) return fail(twice(std::string(in.name()) + " " + std::string(in.words[1]), before->second));
  RouteSetting route;
  route.place = in.place;
  route.subject = mcp::SubjectKind::prompt;
  route.name = in.words[1];
  if (is_name(in.words[1])) route.operation = in.words[1];
  RouteReader reader(route, of_prompt);
  if (auto read = reader.read(in.cf); !read) return read;
  if (route.operation.empty())
    return fail(quoted(in.name()) + " " + quoted(in.words[1]) +
                " can't name an operation; write: operation NAME; of letters, digits and . _ -");
  route.operation.insert(0, "prompts/");
  return add(in, **routes, std::move(route));
}

Checked read_mcp_resource(const Reading& in) {
  const auto routes = routes_of(in, gateway::Kind::mcp);
  if (!routes) return fail(routes.error());
  auto pattern = mcp::UriPattern::parse(in.words[1]);
  if (!pattern) return fail(quoted(in.name()) + " is " + quoted(in.words[1]) + ": it " + pattern.error());
  for (const auto& other : (*routes)->list)
    if (other.uri && other.uri->same_as(*pattern))
      return fail(twice(std::string(in.name()) + " " + std::string(in.words[1]), other.place));
  RouteSetting route;
  route.place = in.place;
  route.subject = mcp::SubjectKind::resource;
  route.operation = words_of_pattern(in.words[1]);
  route.uri = *std::move(pattern);
  RouteReader reader(route, of_resource);
  if (auto read = reader.read(in.cf); !read) return read;
  if (route.operation.empty())
    return fail(quoted(in.name()) + " " + quoted(in.words[1]) +
                " can't name an operation; write: operation NAME; of letters, digits and . _ -");
  route.operation.insert(0, "resources/");
  if (route.resource)
    for (const auto& path : route.resource->placeholders())
      if (auto checked = check_capture("resource", path, *route.uri); !checked) return checked;
  for (const auto& one : route.require)
    for (const auto& path : one.condition->arguments())
      if (auto checked = check_capture("require", path, *route.uri); !checked) return checked;
  return add(in, **routes, std::move(route));
}

Checked read_operation(const Reading& in) {
  const auto routes = routes_of(in, gateway::Kind::rest);
  if (!routes) return fail(routes.error());
  if (!is_name(in.words[1]))
    return fail(quoted(in.name()) + " is named " + quoted(in.words[1]) + "; write letters, digits and . _ - only");
  auto path = rest::parse_template(in.words[2], in.words[3]);
  if (!path)
    return fail(quoted(in.name()) + ": " + path.error().message +
                "; write for example: agent_operation ticket.read GET /api/tickets/<id> { … }");
  RouteSetting route;
  route.place = in.place;
  route.name = in.words[1];
  route.operation = in.words[1];
  route.path = *std::move(path);
  route.path_text = in.words[3];
  RouteReader reader(route, of_operation);
  if (auto read = reader.read(in.cf); !read) return read;
  if (route.resource)
    if (auto checked = check_placeholders("resource", *route.resource, route); !checked) return checked;
  if (route.idempotency != nullptr && route.idempotency->argument)
    if (auto checked = check_placeholders("idempotency", *route.idempotency->argument, route); !checked) return checked;
  if (auto checked = check_reachable(in, route); !checked) return checked;
  return add(in, **routes, std::move(route));
}

}  // namespace agw::nginx
