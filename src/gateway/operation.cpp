#include "operation.h"

#include <algorithm>
#include <array>

#include "agw/base/encoding.h"
#include "agw/json/canonical.h"
#include "agw/json/scalar.h"
#include "agw/mcp/arguments.h"
#include "agw/mcp/message.h"
#include "agw/mcp/parameter_field.h"
#include "agw/rest/path.h"

#include "further.h"
#include "handed_back.h"
#include "mcp_arguments.h"
#include "named_tasks.h"
#include "parameter_headers.h"
#include "repeats.h"
#include "subject.h"

namespace agw::gateway {
namespace {

/// Fields by which frameworks take another method or path than the request line's (threats:
/// what was judged is not what runs).
constexpr std::array<std::string_view, 6> rewriting_headers{"x-http-method-override", "x-http-method",
                                                            "x-method-override",      "x-original-url",
                                                            "x-rewrite-url",          "x-original-uri"};

/// The names of a resource's pattern.
class UriArguments final : public policy::Arguments {
 public:
  explicit UriArguments(const std::vector<mcp::UriCapture>& captures) : captures_(captures) {}
  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    for (const auto& capture : captures_)
      if (path.size() == 1 && capture.name == path.front()) return std::string_view(capture.value);
    return fail(Reason::argument_missing);
  }

 private:
  const std::vector<mcp::UriCapture>& captures_;
};

/// Where values are only looked for, each name stands for all that it could be.
class AnyArguments final : public policy::Arguments {
 public:
  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    scratch_ = "<" + path.back() + ">";
    return std::string_view(scratch_);
  }

 private:
  mutable std::string scratch_;
};

class RestArguments final : public policy::Arguments {
 public:
  RestArguments(const rest::Match& match, const std::vector<rest::QueryParameter>& query,
                std::optional<json::Value> body)
      : match_(match), query_(query), body_(body) {}

  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    if (path.size() == 1) return capture(path.front());
    if (path.front() == "query" && path.size() == 2) return parameter(path[1]);
    if (path.front() != "body") return fail(Reason::argument_missing);
    return mcp::find_argument(body_, {path.begin() + 1, path.end()}, scratch_);
  }

 private:
  static Result<std::string_view, Reason> filled(std::string_view value) {
    if (value.empty()) return fail(Reason::argument_invalid);
    return value;
  }
  [[nodiscard]] Result<std::string_view, Reason> capture(std::string_view name) const {
    for (const auto& item : match_.captures)
      if (item.name == name) return filled(item.value);
    return fail(Reason::argument_missing);
  }
  [[nodiscard]] Result<std::string_view, Reason> parameter(std::string_view name) const {
    for (const auto& item : query_)
      if (item.name == name) return filled(item.value);
    return fail(Reason::argument_missing);
  }

  const rest::Match& match_;
  const std::vector<rest::QueryParameter>& query_;
  std::optional<json::Value> body_;
  mutable std::string scratch_;
};

/// What a repeat of a call has in common with it, however it is written.
std::string judged_of(const mcp::Message& message) {
  std::string out = "mcp ";
  out += message.name;
  out += '\n';
  if (message.arguments) json::append_canonical(out, *message.arguments);
  return out;
}

/// A body in JSON may be written anew, any other is its bytes.
std::string judged_of(const Request& request, std::string_view body, std::optional<json::Value> document) {
  std::string out = "rest ";
  for (const std::string_view part : {request.method(), request.raw_path(), request.query()}) {
    out += part;
    out += '\n';
  }
  if (document) {
    out += "json ";
    json::append_canonical(out, *document);
  } else {
    out += "bytes ";
    out += request.headers().get("content-type");
    out += '\n';
    out += body;
  }
  return out;
}

/// An operation that the route doesn't name, as audit files it.
void name_operation(const Location& location, const mcp::Message& message, Call& call) {
  call.unnamed_operation = operation_of(location, message.subject, message.name, Subject());
  call.operation = call.unnamed_operation;
}

std::optional<Reason> expand_resource(const policy::Arguments& arguments, Call& call) {
  const auto& resource = call.route->policy.resource;
  if (!resource) return std::nullopt;
  const auto made = resource->expand(arguments, call.resource);
  if (made) return std::nullopt;
  call.resource.clear();
  return made.error();
}

void follow_rules(const Location& location, const Request& request, const mcp::Message& message, Call& call,
                  Understanding& out) {
  const ToolRules& rules = *call.route->tool_rules;
  if (const auto* wrong = mismatched(rules.headers, request.headers(), message)) {
    call.detail = wrong->field;
    out.refusal = Reason::header_mismatch;
    return;
  }
  if (rules.inner) add_inner(location, message.arguments, call, out.resource_failure);
}

/// Every resource that is followed is one that is read.
Understanding understand_listen(const Location& location, const mcp::Message& message, Call& call) {
  // Those that follow tasks alone are known when these are opened.
  if (!message.resources) return {};
  call.further = std::make_unique<Further>();
  for (const json::Value uri : *message.resources) {
    FurtherSubject& one = call.further->subjects.emplace_back();
    one.kind = mcp::SubjectKind::resource;
    one.name = uri.text();
    Subject subject = subject_of(location, one.kind, one.name);
    one.route = subject.route;
    one.operation = operation_of(location, one.kind, one.name, subject);
    one.captures = std::move(subject.captures);
    expand_further(UriArguments(one.captures), one);
  }
  return {};
}

Understanding understand_tool(const Location& location, const Request& request, const mcp::Message& message,
                              Call& call) {
  const Subject subject = subject_of(location, message.subject, message.name);
  if (subject.route == nullptr) {
    call.subject_name = message.name;
    call.mcp_tool = call.subject_name;
    name_operation(location, message, call);
    return {};
  }
  call.mcp_tool = subject.name;
  call.route = subject.route;
  call.operation = call.route->policy.operation;
  const McpArguments arguments(message.arguments);
  if (call.route->idempotency != nullptr) note_key(request, arguments, judged_of(message), call);
  Understanding out{.refusal = std::nullopt, .resource_failure = expand_resource(arguments, call)};
  if (call.route->tool_rules != nullptr) [[unlikely]]
    follow_rules(location, request, message, call, out);
  return out;
}

/// A prompt or a resource is read, followed, or completed.
Understanding understand_reference(const Location& location, const mcp::Message& message, Call& call) {
  call.subject_name = message.name;
  (message.subject == mcp::SubjectKind::prompt ? call.mcp_prompt : call.mcp_uri) = call.subject_name;
  const Subject subject = subject_of(location, message.subject, message.name);
  if (subject.route == nullptr) {
    name_operation(location, message, call);
    return {};
  }
  call.route = subject.route;
  call.operation = call.route->policy.operation;
  // A resource that is completed to its end is that one.
  call.of_many = message.category == mcp::Category::completion && message.subject != mcp::SubjectKind::resource;
  if (call.of_many) return {.refusal = std::nullopt, .resource_failure = expand_resource(AnyArguments(), call)};
  if (message.subject == mcp::SubjectKind::prompt)
    return {.refusal = std::nullopt, .resource_failure = expand_resource(McpArguments(message.arguments), call)};
  return {.refusal = std::nullopt, .resource_failure = expand_resource(UriArguments(subject.captures), call)};
}

/// Which lists' changes a subscription names.
ListKinds lists_of(const mcp::Message& message) {
  const auto wanted = message.params ? message.params->member("notifications") : std::nullopt;
  if (!wanted) return 0;
  unsigned out = 0;
  for (const auto& [name, kind] :
       {std::pair("toolsListChanged", tool_list), std::pair("promptsListChanged", prompt_list),
        std::pair("resourcesListChanged", resource_list)}) {
    const auto one = wanted->member(name);
    if (one && one->boolean() == true) out |= kind;
  }
  return static_cast<ListKinds>(out);
}

Understanding understand_message(const Location& location, const Request& request, std::string_view body,
                                 json::Document& document, Call& call) {
  mcp::ReadLimits limits;
  limits.json.max_bytes = location.max_body;
  call.speaks_rpc = true;
  call.type = "mcp.malformed";
  const auto message = mcp::read_message(document, body, request.headers(), limits);
  if (!message) {
    call.rpc_id = message.error().id;
    call.detail = message.error().detail;
    call.requested_version = message.error().requested_version;
    return {.refusal = message.error().reason, .resource_failure = std::nullopt};
  }
  call.era = message->era;
  call.category = message->category;
  call.rpc_id = message->id;
  call.mcp_version = message->protocol_version;
  call.session_id = message->session_id;
  if (message->category == mcp::Category::unknown) {
    call.type = "mcp.unknown";
    call.subject_name = message->method;
    return {.refusal = Reason::method_unknown, .resource_failure = std::nullopt};
  }
  call.mcp_method = message->method;
  call.subject = message->subject;
  call.type = message->kind == mcp::Kind::response ? "mcp.response" : message->event_type;
  // A client's answer is to somebody who asked it: by its id alone it could be anybody's.
  call.needs_session = message->kind == mcp::Kind::response;
  if (message->method == "initialize") call.capabilities = mcp::client_capabilities(message->params);
  if (message->method == "subscriptions/listen") call.listens = lists_of(*message);
  if (binds(location)) {
    if (const auto fault = note_state(*message, body, call))
      return {.refusal = fault, .resource_failure = std::nullopt};
    if (const auto fault = note_tasks(*message, body, call))
      return {.refusal = fault, .resource_failure = std::nullopt};
  }
  switch (message->category) {
    case mcp::Category::tool: return understand_tool(location, request, *message, call);
    case mcp::Category::prompt:
    case mcp::Category::resource:
    case mcp::Category::completion:
    case mcp::Category::subscribe: return understand_reference(location, *message, call);
    case mcp::Category::listen: return understand_listen(location, *message, call);
    case mcp::Category::task:
      // What is only observed passes; where nobody could tell a task of an enforced tool's from others, none does.
      if (binds(location) || !location.enforces_some) return {};
      call.subject_name = message->method;
      return {.refusal = Reason::method_unknown, .resource_failure = std::nullopt};
    default: return {};
  }
}

Understanding understand_mcp(const Location& location, const Request& request, std::string_view body,
                             json::Document& document, Call& call) {
  if (request.method() == "POST") return understand_message(location, request, body, document, call);
  const std::string_view version = request.headers().get("mcp-protocol-version");
  call.mcp_version = version.substr(0, 32);
  // The stateless protocol has neither a stream of its own nor a session to end (MCP 2026-07-28).
  const bool legacy = version < mcp::modern_version;
  call.type = request.method() == "GET" ? "mcp.stream" : "mcp.delete";
  call.category = mcp::Category::session;
  if (legacy && (request.method() == "GET" || request.method() == "DELETE")) {
    const Headers::Found session = request.headers().find("mcp-session-id");
    if (session.count > 1) return {.refusal = Reason::session_malformed, .resource_failure = std::nullopt};
    call.session_id = session.value;
    // Event ids are a session's (MCP 2025-11-25, "Resumability and Redelivery").
    call.needs_session = request.headers().count("last-event-id") > 0;
    if (request.method() == "GET") call.listens = tool_list | prompt_list | resource_list;
    return {};
  }
  call.type = "mcp.method";
  return {.refusal = Reason::method_not_allowed, .resource_failure = std::nullopt};
}

/// The templates that an operation's arguments are named in: its resource's, and its key's.
using Templates = std::array<const policy::ResourceTemplate*, 2>;
Templates templates_of(const OperationRoute& route) {
  const auto* const rule = route.idempotency.get();
  return {route.policy.resource ? &*route.policy.resource : nullptr,
          rule != nullptr && rule->argument ? &*rule->argument : nullptr};
}

/// Whether a parameter that a template names stands there more than once.
bool repeats(const Templates& templates, const std::vector<rest::QueryParameter>& query) {
  for (const auto* const one : templates) {
    if (one == nullptr) continue;
    for (const auto& path : one->placeholders()) {
      if (path.front() != "query" || path.size() != 2) continue;
      const auto same = [&](const rest::QueryParameter& item) { return item.name == path[1]; };
      if (std::count_if(query.begin(), query.end(), same) > 1) return true;
    }
  }
  return false;
}

bool names(const Templates& templates, std::string_view source) {
  return std::ranges::any_of(templates, [&](const auto* one) {
    return one != nullptr && std::ranges::any_of(one->placeholders(), [&](const auto& path) {
             return path.size() > 1 && path.front() == source;
           });
  });
}

/// A body that only repeats are compared by needn't be JSON.
std::optional<json::Value> read_if_json(const Location& location, const Request& request, std::string_view body,
                                        json::Document& document) {
  if (request.headers().count("content-encoding") > 0 ||
      !json::is_json_media_type(request.headers().get("content-type")))
    return std::nullopt;
  json::Limits limits;
  limits.max_bytes = location.max_body;
  const auto read = document.read(body, limits);
  if (!read) return std::nullopt;
  return *read;
}

Understanding refused(Reason reason) { return {.refusal = reason, .resource_failure = std::nullopt}; }

/// The first of those fields that is there, also under a name that some server takes for it (`X_HTTP_Method_Override`,
/// where nginx keeps it); empty: none.
std::string_view rewriting_header(const Headers& headers) {
  constexpr std::size_t shortest = 13;
  std::string_view found;
  headers.each(
      [](void* context, std::string_view name, std::string_view) {
        if (name.size() < shortest || (name.front() | 0x20) != 'x') return;
        for (const std::string_view one : rewriting_headers)
          if (mcp::fold_alike(name, one)) *static_cast<std::string_view*>(context) = one;
      },
      &found);
  return found;
}

Understanding understand_rest(const Location& location, const Request& request, std::string_view body,
                              json::Document& document, Call& call) {
  call.type = "rest.call";
  if (const std::string_view name = rewriting_header(request.headers()); !name.empty()) {
    call.detail = name;
    return refused(Reason::header_refused);
  }
  if (!rest::is_canonical(request.raw_path(), request.path())) return refused(Reason::path_not_canonical);
  const auto match = location.router.match(request.method(), request.path());
  if (!match) {
    if (location.router.path_known(request.path())) return refused(Reason::method_not_allowed);
    return {};
  }
  call.route = &location.routes[match->index];
  call.operation = call.route->policy.operation;
  const bool keyed = call.route->idempotency != nullptr;
  const Templates templates = templates_of(*call.route);
  if (!call.route->policy.resource && !keyed) return {};

  std::vector<rest::QueryParameter> query;
  if (names(templates, "query")) {
    auto parsed = rest::parse_query(request.query());
    if (!parsed) return {.refusal = std::nullopt, .resource_failure = Reason::argument_invalid};
    query = std::move(*parsed);
    if (repeats(templates, query)) return refused(Reason::query_repeated);
  }
  std::optional<json::Value> document_root;
  if (names(templates, "body")) {
    if (request.headers().count("content-encoding") > 0) return refused(Reason::encoding_refused);
    if (!json::is_json_media_type(request.headers().get("content-type"))) return refused(Reason::content_type_refused);
    json::Limits limits;
    limits.max_bytes = location.max_body;
    const auto read = document.read(body, limits);
    if (!read) {
      call.detail = json::to_string(read.error());
      return refused(mcp::reason_of(read.error()));
    }
    document_root = *read;
  }
  if (keyed && !document_root) document_root = read_if_json(location, request, body, document);
  const RestArguments arguments(*match, query, document_root);
  if (keyed) note_key(request, arguments, judged_of(request, body, document_root), call);
  return {.refusal = std::nullopt, .resource_failure = expand_resource(arguments, call)};
}

}  // namespace

bool body_is_judged(const Location& location, const Request& request) {
  return location.kind == Kind::mcp ? request.method() == "POST" : location.body_is_judged;
}

AskedForm asked_form(const Location& location, const Request& request, std::string_view body,
                     json::Document& document) {
  AskedForm out;
  if (location.kind == Kind::mcp) {
    mcp::ReadLimits limits;
    limits.json.max_bytes = location.max_body;
    const auto message = mcp::read_message(document, body, request.headers(), limits);
    if (!message) return out;
    out.whole = judged_of(*message);
    if (message->subject == mcp::SubjectKind::resource)
      out.arguments = R"({"uri":)" + json_quoted(message->name) + "}";
    else if (message->arguments)
      json::append_canonical(out.arguments, *message->arguments);
    return out;
  }
  const auto root = read_if_json(location, request, body, document);
  out.whole = judged_of(request, body, root);
  out.arguments = R"({"method":)" + json_quoted(request.method()) + R"(,"path":)" + json_quoted(request.raw_path());
  if (!request.query().empty()) out.arguments += R"(,"query":)" + json_quoted(request.query());
  if (root) {
    out.arguments += R"(,"body":)";
    json::append_canonical(out.arguments, *root);
  }
  out.arguments += '}';
  return out;
}

Understanding understand(const Location& location, const Request& request, std::string_view body,
                         json::Document& document, Call& call) {
  return location.kind == Kind::mcp ? understand_mcp(location, request, body, document, call)
                                    : understand_rest(location, request, body, document, call);
}

}  // namespace agw::gateway
