#include "agw/mcp/message.h"

#include <algorithm>
#include <array>

#include "agw/json/scalar.h"
#include "agw/mcp/mirror.h"
#include "agw/mcp/resource_uri.h"

#include "fields.h"
#include "method.h"

namespace agw::mcp {
namespace {

constexpr std::array<std::string_view, 5> versions{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26",
                                                   "2024-11-05"};
/// What a legacy call speaks that names no version (MCP 2025-06-18, "Protocol Version Header").
constexpr std::string_view unnamed_version = "2025-03-26";
constexpr std::size_t longest_version = 32;
/// The first legacy version that has tasks; the modern one has them as an extension.
constexpr std::string_view first_with_tasks = "2025-11-25";
/// As a client declares them in 2026-07-28.
constexpr std::string_view tasks_extension = "io.modelcontextprotocol/tasks";
/// Each resource and each task that a listener follows is judged by itself.
constexpr std::size_t most_subscriptions = 256;

constexpr std::array<std::string_view, 6> envelope_keys{"jsonrpc", "id", "method", "params", "result", "error"};
constexpr std::array<std::string_view, 19> params_keys{
    "name",           "arguments",       "_meta",        "uri",        "cursor", "notifications", "requestState",
    "inputResponses", "protocolVersion", "capabilities", "clientInfo", "level",  "task",          "taskId",
    "requestId",      "progressToken",   "ref",          "argument",   "context"};
constexpr std::array<std::string_view, 3> reference_keys{"type", "name", "uri"};
constexpr std::string_view meta_version = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view meta_capabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::array<std::string_view, 9> meta_keys{meta_version,
                                                    meta_capabilities,
                                                    "io.modelcontextprotocol/clientInfo",
                                                    "progressToken",
                                                    "io.modelcontextprotocol/logLevel",
                                                    related_task,
                                                    "traceparent",
                                                    "tracestate",
                                                    "baggage"};

/// The list's own copy of a supported version, which outlives the request; empty if it is none.
std::string_view supported(std::string_view version) {
  const auto found = std::find(versions.begin(), versions.end(), version);
  return found == versions.end() ? std::string_view() : *found;
}

bool is_visible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

/// The envelope's members in the order of envelope_keys.
struct Envelope {
  std::array<std::optional<json::Value>, envelope_keys.size()> members;
  bool others = false;

  explicit Envelope(json::Value root) {
    for (const json::Value member : root) {
      const std::size_t known = names().find(member);
      if (known == json::Names::none) {
        others = true;
      } else {
        members[known] = member;
      }
    }
  }
  static const json::Names& names() {
    static const json::Names all(envelope_keys);
    return all;
  }
  [[nodiscard]] const std::optional<json::Value>& jsonrpc() const { return members[0]; }
  [[nodiscard]] const std::optional<json::Value>& id() const { return members[1]; }
  [[nodiscard]] const std::optional<json::Value>& method() const { return members[2]; }
  [[nodiscard]] const std::optional<json::Value>& params() const { return members[3]; }
  [[nodiscard]] const std::optional<json::Value>& result() const { return members[4]; }
  [[nodiscard]] const std::optional<json::Value>& error() const { return members[5]; }
};

/// One message, read step by step; each step returns what is wrong, if anything.
class Reader {
 public:
  Reader(const Headers& headers, const ReadLimits& limits) : fields_(headers), limits_(limits) {}

  Result<Message, Refusal> read(json::Document& document, std::string_view body);

 private:
  using Fault = std::optional<Reason>;

  /// `detail` is for people; it never holds a value that the client sent.
  Fault fault(Reason reason, std::string_view detail) {
    detail_ = detail;
    return reason;
  }
  Fault unsupported(std::string_view version) {
    // It goes into the answer: what no version can hold stays out.
    requested_ = version.substr(0, longest_version);
    std::replace_if(requested_.begin(), requested_.end(), [](char c) { return c <= 0x20 || c >= 0x7F; }, '?');
    return Reason::version_unsupported;
  }
  [[nodiscard]] Refusal refusal(Reason reason) const {
    return {reason, std::string(message_.id), std::string(detail_), requested_};
  }

  Fault check_transport();
  Fault read_envelope(json::Value root);
  Fault read_id(const std::optional<json::Value>& id);
  Fault read_response(const Envelope& envelope);
  Fault read_params(const std::optional<json::Value>& params);
  Fault read_era();
  Fault read_modern();
  Fault read_legacy();
  Fault read_category();
  Fault read_meta(const json::Value& holder);
  Fault read_subscription();
  Fault read_followed(const json::Value& wanted, std::string_view member, std::size_t longest,
                      std::optional<json::Value>& out);
  Fault read_reference();
  Fault read_subject();
  Fault read_name(json::Value holder, std::string_view member, SubjectKind kind);
  Fault check_mirrors();

  const Fields fields_;
  const ReadLimits& limits_;
  Message message_;
  std::string requested_;
  std::string_view detail_;  // text of this file or of json's errors
};

Reader::Fault Reader::check_transport() {
  constexpr std::string_view identity = "identity";
  if (fields_.content_encoding.sent() && fields_.content_encoding.value != identity) return Reason::encoding_refused;
  if (fields_.content_type.repeated() || !json::is_json_media_type(fields_.content_type.value))
    return Reason::content_type_refused;
  if (fields_.version.repeated()) return fault(Reason::header_mismatch, "MCP-Protocol-Version is repeated");
  if (fields_.method.repeated()) return fault(Reason::header_mismatch, "Mcp-Method is repeated");
  if (fields_.name.repeated()) return fault(Reason::header_mismatch, "Mcp-Name is repeated");
  if (fields_.session.repeated()) return fault(Reason::session_malformed, "Mcp-Session-Id is repeated");
  return std::nullopt;
}

Reader::Fault Reader::read_id(const std::optional<json::Value>& id) {
  if (!id) return std::nullopt;
  // JSON-RPC 2.0 allows null and fractions, MCP neither.
  if (!id->is(json::Kind::string) && !id->is_written_as_integer())
    return fault(Reason::message_malformed, "id must be a string or an integer");
  if (id->raw().size() > limits_.max_id_bytes) return fault(Reason::message_malformed, "id is too long");
  message_.id = id->raw();
  return std::nullopt;
}

Reader::Fault Reader::read_envelope(json::Value root) {
  if (root.is(json::Kind::array)) return Reason::batch_refused;
  if (!root.is(json::Kind::object)) return fault(Reason::message_malformed, "not an object");
  const Envelope envelope(root);
  if (auto wrong = read_id(envelope.id())) return wrong;
  if (envelope.others) {
        // JSON-RPC knows no further member, and the official servers refuse one: what somebody could
        // read as a known member doesn't pass.
    if (!root.lookalike_among(Envelope::names()).empty()) return fault(Reason::key_lookalike, "in the envelope");
    return fault(Reason::message_malformed, "an unknown member in the envelope");
  }
  const auto& version = envelope.jsonrpc();
  if (!version || !version->is(json::Kind::string) || version->text() != "2.0")
    return fault(Reason::message_malformed, "jsonrpc must be \"2.0\"");
  const auto& method = envelope.method();
  if (!method) return read_response(envelope);
  if (!method->is(json::Kind::string) || method->text().empty() || method->text().size() > limits_.max_name_bytes)
    return fault(Reason::message_malformed, "method must be a string");
  if (envelope.result() || envelope.error()) return fault(Reason::message_malformed, "both a request and a response");
  message_.method = method->text();
  message_.kind = message_.id.empty() ? Kind::notification : Kind::request;
  return read_params(envelope.params());
}

Reader::Fault Reader::read_response(const Envelope& envelope) {
  const auto& result = envelope.result();
  const auto& error = envelope.error();
  if (result.has_value() == error.has_value() || message_.id.empty() || envelope.params())
    return fault(Reason::message_malformed, "neither a request nor a response");
  if (result && !result->is(json::Kind::object)) return fault(Reason::message_malformed, "result must be an object");
  if (result && result->has_lookalike_of("_meta")) return fault(Reason::key_lookalike, "in result");
  if (result) {
    if (auto wrong = read_meta(*result)) return wrong;
  }
  if (error) {
    const auto code = error->member("code");
    const auto text = error->member("message");
    if (!code || !code->integer() || !text || !text->is(json::Kind::string))
      return fault(Reason::message_malformed, "error must hold code and message");
  }
  message_.kind = Kind::response;
  return std::nullopt;
}

Reader::Fault Reader::read_params(const std::optional<json::Value>& params) {
  message_.params = params;
  if (!message_.params) return std::nullopt;
  if (!message_.params->is(json::Kind::object)) return fault(Reason::params_invalid, "params must be an object");
  static const json::Names names_of_params(params_keys);
  if (!message_.params->lookalike_among(names_of_params).empty()) return fault(Reason::key_lookalike, "in params");
  return read_meta(*message_.params);
}

Reader::Fault Reader::read_meta(const json::Value& holder) {
  auto& meta = message_.meta;
  meta = holder.member("_meta");
  if (!meta) return std::nullopt;
  if (!meta->is(json::Kind::object)) return fault(Reason::params_invalid, "_meta must be an object");
  static const json::Names names_of_meta(meta_keys);
  if (!meta->lookalike_among(names_of_meta).empty()) return fault(Reason::key_lookalike, "in _meta");
  return std::nullopt;
}

/// The body decides; the header must agree (MCP 2026-07-28, "Protocol Version Header"). Versions
/// are dates, so that their order is that of their text.
Reader::Fault Reader::read_era() {
  const std::string_view header = fields_.version.value;
  const auto& meta = message_.meta;
  const auto in_body = meta && message_.kind != Kind::response ? meta->member(meta_version) : std::nullopt;
  if (!in_body) return header < modern_version ? read_legacy() : read_modern();
  if (!in_body->is(json::Kind::string)) return fault(Reason::params_invalid, "the version in _meta must be a string");
  if (header != in_body->text()) return fault(Reason::header_mismatch, "MCP-Protocol-Version");
  if (header < modern_version && !supported(header).empty())
    return fault(Reason::params_invalid, "the version in _meta is one that has no such member");
  return read_modern();
}

Reader::Fault Reader::read_modern() {
  message_.era = Era::modern;
  message_.protocol_version = supported(fields_.version.value);
  if (message_.protocol_version.empty()) return unsupported(fields_.version.value);
  if (message_.kind == Kind::response)
    return fault(Reason::message_malformed, "this version sends no response to a server");
  if (message_.kind == Kind::notification) return std::nullopt;
  const auto& meta = message_.meta;
  if (!meta || !meta->member(meta_version)) return fault(Reason::params_invalid, "_meta must hold protocolVersion");
  const auto capabilities = meta->member(meta_capabilities);
  if (!capabilities || !capabilities->is(json::Kind::object))
    return fault(Reason::params_invalid, "_meta must hold clientCapabilities");
  const auto extensions = capabilities->member("extensions");
  message_.takes_tasks = extensions && extensions->is(json::Kind::object) && extensions->member(tasks_extension);
  return std::nullopt;
}

Reader::Fault Reader::read_legacy() {
  message_.era = Era::legacy;
  message_.protocol_version = unnamed_version;
  if (fields_.version.sent()) {
    message_.protocol_version = supported(fields_.version.value);
    if (message_.protocol_version.empty()) return unsupported(fields_.version.value);
  }
  if (!fields_.session.sent()) return std::nullopt;
  message_.session_id = fields_.session.value;
  if (!is_visible(message_.session_id) || message_.session_id.size() > limits_.max_session_bytes)
    return Reason::session_malformed;
  return std::nullopt;
}

Reader::Fault Reader::read_category() {
  if (message_.kind == Kind::response) {
    message_.category = Category::reply;
    return std::nullopt;
  }
  const Method* const known = find_method(message_.method, message_.era);
  if (known == nullptr) return std::nullopt;
  if (known->category == Category::task && message_.protocol_version < first_with_tasks) return std::nullopt;
  message_.category = known->category;
  message_.method = known->name;
  message_.event_type = known->event_type;
  // A call without an id would be run by some servers, with nobody to hear its outcome.
  const bool notification = message_.kind == Kind::notification;
  if (notification && message_.category != Category::notify)
    return fault(Reason::message_malformed, "a request without an id");
  if (!notification && message_.category == Category::notify)
    return fault(Reason::message_malformed, "a notification with an id");
  if (message_.method == "initialize" && message_.params) {
        // What the client asks for; the server's answer settles it.
    const auto version = message_.params->member("protocolVersion");
    if (version &&
        (!version->is(json::Kind::string) || !is_visible(version->text()) || version->text().size() > longest_version))
      return fault(Reason::params_invalid, "protocolVersion must be a version");
    if (version) message_.protocol_version = version->text();
  }
  if (message_.method == "subscriptions/listen") return read_subscription();
  return read_subject();
}

/// Other changes than those of resources are nobody's in particular.
Reader::Fault Reader::read_subscription() {
  const auto wanted = message_.params ? message_.params->member("notifications") : std::nullopt;
  if (!wanted) return std::nullopt;
  if (!wanted->is(json::Kind::object)) return fault(Reason::params_invalid, "notifications must be an object");
  if (auto wrong = read_followed(*wanted, "resourceSubscriptions", limits_.max_name_bytes, message_.resources))
    return wrong;
  return read_followed(*wanted, "taskIds", limits_.max_task_bytes, message_.followed_tasks);
}

/// What a listener follows one by one.
Reader::Fault Reader::read_followed(const json::Value& wanted, std::string_view member, std::size_t longest,
                                    std::optional<json::Value>& out) {
  if (wanted.has_lookalike_of(member)) return fault(Reason::key_lookalike, "in notifications");
  const auto names = wanted.member(member);
  if (!names) return std::nullopt;
  if (!names->is(json::Kind::array)) return fault(Reason::params_invalid, "what is followed must be an array");
  if (names->size() == 0) return std::nullopt;
  if (names->size() > most_subscriptions) return fault(Reason::params_invalid, "too much is followed");
  for (const json::Value name : *names)
    if (!name.is(json::Kind::string) || name.text().empty() || name.text().size() > longest)
      return fault(Reason::params_invalid, "what is followed must be URIs and ids");
  message_.category = Category::listen;
  out = names;
  return std::nullopt;
}

/// What is to be completed: a prompt's argument, or a variable of a resource's template (whose values are the URIs that
/// there are).
Reader::Fault Reader::read_reference() {
  const auto reference = message_.params ? message_.params->member("ref") : std::nullopt;
  const auto argument = message_.params ? message_.params->member("argument") : std::nullopt;
  if (!reference || !reference->is(json::Kind::object) || !argument || !argument->is(json::Kind::object))
    return fault(Reason::params_invalid, "ref and argument must be objects");
  static const json::Names names_of_reference(reference_keys);
  if (!reference->lookalike_among(names_of_reference).empty()) return fault(Reason::key_lookalike, "in ref");
  const auto type = reference->member("type");
  const bool of_prompt = type && type->is(json::Kind::string) && type->text() == "ref/prompt";
  const bool of_resource = type && type->is(json::Kind::string) && type->text() == "ref/resource";
  if (!of_prompt && !of_resource) return fault(Reason::params_invalid, "ref must be of a prompt or a resource");
  if (reference->member(of_prompt ? "uri" : "name")) return fault(Reason::params_invalid, "ref names two things");
  if (of_prompt) return read_name(*reference, "name", SubjectKind::prompt);
  if (auto wrong = read_name(*reference, "uri", SubjectKind::resource)) return wrong;
  if (is_uri_template(message_.name)) message_.subject = SubjectKind::resource_template;
  return std::nullopt;
}

Reader::Fault Reader::read_name(json::Value holder, std::string_view member, SubjectKind kind) {
  const auto name = holder.member(member);
  const std::size_t longest = kind == SubjectKind::task ? limits_.max_task_bytes : limits_.max_name_bytes;
  if (!name || !name->is(json::Kind::string) || name->text().empty() || name->text().size() > longest) {
    switch (kind) {
      case SubjectKind::resource: return fault(Reason::params_invalid, "uri must be a string");
      case SubjectKind::task: return fault(Reason::params_invalid, "taskId must be a string");
      default: return fault(Reason::params_invalid, "name must be a string");
    }
  }
  message_.subject = kind;
  message_.name = name->text();
  return std::nullopt;
}

Reader::Fault Reader::read_subject() {
  const auto named = [&](std::string_view member, SubjectKind kind) -> Fault {
    if (!message_.params) return fault(Reason::params_invalid, "params must name something");
    return read_name(*message_.params, member, kind);
  };
  switch (message_.category) {
    case Category::resource:
    case Category::subscribe: return named("uri", SubjectKind::resource);
    case Category::task:
      if (message_.method == "tasks/list") return std::nullopt;
      return named("taskId", SubjectKind::task);
    case Category::completion: return read_reference();
    case Category::tool:
    case Category::prompt: break;
    default: return std::nullopt;
  }
  if (auto wrong = named("name", message_.category == Category::tool ? SubjectKind::tool : SubjectKind::prompt))
    return wrong;
  if (message_.era == Era::legacy && message_.category == Category::tool)
    message_.takes_tasks = message_.params->member("task").has_value();
  message_.arguments = message_.params->member("arguments");
  if (message_.arguments && !message_.arguments->is(json::Kind::object))
    return fault(Reason::params_invalid, "arguments must be an object");
  return std::nullopt;
}

/// Required and equal in the modern era; a legacy call needs none, but what it sends must agree
/// all the same, or the next hop could believe it.
Reader::Fault Reader::check_mirrors() {
  const bool required = message_.era == Era::modern && message_.kind == Kind::request;
  if (fields_.method.sent() ? fields_.method.value != message_.method : required)
    return fault(Reason::header_mismatch, "Mcp-Method");
  if (message_.category == Category::unknown) return std::nullopt;  // refused for that
  const bool repeated = message_.category == Category::tool || message_.category == Category::prompt ||
                        message_.category == Category::resource || message_.category == Category::task;
  if (message_.name.empty() || !repeated) {
    if (fields_.name.sent()) return fault(Reason::header_mismatch, "Mcp-Name repeats nothing");
    return std::nullopt;
  }
  if (fields_.name.sent() ? !mirrors_name(fields_.name.value, message_.name) : required)
    return fault(Reason::header_mismatch, "Mcp-Name");
  return std::nullopt;
}

Result<Message, Refusal> Reader::read(json::Document& document, std::string_view body) {
  if (auto wrong = check_transport()) return fail(refusal(*wrong));
  const auto root = document.read(body, limits_.json);
  if (!root) {
    detail_ = json::to_string(root.error());
    return fail(refusal(reason_of(root.error())));
  }
  if (auto wrong = read_envelope(*root)) return fail(refusal(*wrong));
  if (auto wrong = read_era()) return fail(refusal(*wrong));
  if (auto wrong = read_category()) return fail(refusal(*wrong));
  if (auto wrong = check_mirrors()) return fail(refusal(*wrong));
  return message_;
}

}  // namespace

Reason reason_of(json::Error error) noexcept {
  switch (error) {
    case json::Error::key_duplicate: return Reason::key_duplicate;
    case json::Error::key_lookalike: return Reason::key_lookalike;
    case json::Error::too_large: return Reason::body_too_large;
    default: return Reason::json_invalid;
  }
}

Result<Message, Refusal> read_message(json::Document& document, std::string_view body, const Headers& headers,
                                      const ReadLimits& limits) {
  return Reader(headers, limits).read(document, body);
}

std::string_view supported_versions_json() noexcept {
  return R"(["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"])";
}

}  // namespace agw::mcp
