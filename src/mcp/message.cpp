#include "agw/mcp/message.h"

#include <algorithm>
#include <array>

#include "agw/json/scalar.h"
#include "mirror.h"

namespace agw::mcp {
namespace {

constexpr std::array<std::string_view, 4> versions{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"};

constexpr std::array<std::string_view, 6> envelope_keys{"jsonrpc", "id", "method", "params", "result", "error"};
constexpr std::array<std::string_view, 9> params_keys{"name",  "arguments",     "uri",          "_meta",         "cursor",
                                                      "level", "requestState", "inputResponses", "notifications"};
constexpr std::string_view meta_version = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view meta_capabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::array<std::string_view, 5> meta_keys{meta_version, meta_capabilities, "io.modelcontextprotocol/clientInfo",
                                                    "io.modelcontextprotocol/logLevel", "progressToken"};

struct Method {
  std::string_view name;
  Category category;
};

constexpr std::array methods{
    Method{"initialize", Category::session},
    Method{"ping", Category::session},
    Method{"server/discover", Category::session},
    Method{"logging/setLevel", Category::session},
    Method{"subscriptions/listen", Category::session},
    Method{"tools/list", Category::list},
    Method{"prompts/list", Category::list},
    Method{"resources/list", Category::list},
    Method{"resources/templates/list", Category::list},
    Method{"tools/call", Category::tool},
    Method{"prompts/get", Category::prompt},
    Method{"resources/read", Category::resource},
    Method{"notifications/initialized", Category::notify},
    Method{"notifications/cancelled", Category::notify},
    Method{"notifications/progress", Category::notify},
    Method{"notifications/roots/list_changed", Category::notify},
};

Category category_of(std::string_view method) {
  for (const Method& known : methods)
    if (known.name == method) return known.category;
  return Category::unknown;
}

bool is_supported(std::string_view version) {
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

/// Reads one message; `refusal` gets its id as soon as it is known.
class Reader {
 public:
  Reader(const Headers& headers, const ReadLimits& limits) : headers_(headers), limits_(limits) {}

  Result<Message, Refusal> read(json::Document& document, std::string_view body);

 private:
  using Fault = std::optional<Reason>;

  [[nodiscard]] Refusal refusal(Reason reason, std::string detail = {}) const {
    return {reason, std::string(message_.id), std::move(detail), requested_};
  }
  Fault check_transport();
  Fault read_envelope(json::Value root);
  Fault read_id(json::Value root);
  Fault read_params(json::Value root);
  Fault read_era();
  Fault read_modern();
  Fault read_legacy();
  Fault read_operation();

  const Headers& headers_;
  const ReadLimits& limits_;
  Message message_;
  std::optional<json::Value> meta_;
  std::string requested_;
  std::string detail_;
};

Reader::Fault Reader::check_transport() {
  if (headers_.count("content-encoding") > 0 && headers_.get("content-encoding") != "identity") return Reason::encoding_refused;
  if (headers_.count("content-type") != 1 || !json::is_json_media_type(headers_.get("content-type")))
    return Reason::content_type_refused;
  for (const std::string_view name : {"mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"}) {
    if (headers_.count(name) < 2) continue;
    detail_ = std::string(name) + " is repeated";
    return Reason::header_mismatch;
  }
  return std::nullopt;
}

template <class Keys>
bool has_lookalike(const json::Value& object, const Keys& keys, std::string& detail) {
  for (const std::string_view name : keys) {
    if (!object.has_lookalike_of(name)) continue;
    detail = "looks like " + std::string(name);
    return true;
  }
  return false;
}

Reader::Fault Reader::read_id(json::Value root) {
  const auto id = root.member("id");
  if (!id) return std::nullopt;
  // JSON-RPC 2.0 allows null and fractions, MCP neither.
  const bool good = id->is(json::Kind::string) || id->integer().has_value();
  if (!good || id->raw().size() > limits_.max_id_bytes) {
    detail_ = "id must be a string or an integer";
    return Reason::message_malformed;
  }
  message_.id = id->raw();
  return std::nullopt;
}

Reader::Fault Reader::read_envelope(json::Value root) {
  if (root.is(json::Kind::array)) return Reason::batch_refused;
  if (!root.is(json::Kind::object)) return Reason::message_malformed;
  if (auto fault = read_id(root)) return fault;
  if (has_lookalike(root, envelope_keys, detail_)) return Reason::key_lookalike;
  for (std::size_t i = 0; i < root.size(); ++i) {
    const std::string_view key = root.child(i).key();
    if (std::find(envelope_keys.begin(), envelope_keys.end(), key) != envelope_keys.end()) continue;
    // A member that JSON-RPC doesn't know could be read by somebody as one that it does.
    detail_ = "unknown member in the envelope";
    return Reason::message_malformed;
  }
  const auto version = root.member("jsonrpc");
  if (!version || !version->is(json::Kind::string) || version->text() != "2.0") {
    detail_ = "jsonrpc must be \"2.0\"";
    return Reason::message_malformed;
  }
  const auto method = root.member("method");
  const auto result = root.member("result");
  const auto error = root.member("error");
  if (method) {
    if (!method->is(json::Kind::string) || method->text().empty() || method->text().size() > limits_.max_name_bytes || result || error) {
      detail_ = "method must be a string, without result or error beside it";
      return Reason::message_malformed;
    }
    message_.method = method->text();
    message_.kind = message_.id.empty() ? Kind::notification : Kind::request;
    return read_params(root);
  }
  const bool one = result.has_value() != error.has_value();
  if (!one || message_.id.empty() || root.member("params") || (error && !error->is(json::Kind::object))) {
    detail_ = "neither a request nor a response";
    return Reason::message_malformed;
  }
  message_.kind = Kind::response;
  message_.category = Category::reply;
  return std::nullopt;
}

Reader::Fault Reader::read_params(json::Value root) {
  message_.params = root.member("params");
  if (!message_.params) return std::nullopt;
  if (!message_.params->is(json::Kind::object)) {
    detail_ = "params must be an object";
    return Reason::params_invalid;
  }
  if (has_lookalike(*message_.params, params_keys, detail_)) return Reason::key_lookalike;
  meta_ = message_.params->member("_meta");
  if (!meta_) return std::nullopt;
  if (!meta_->is(json::Kind::object)) {
    detail_ = "_meta must be an object";
    return Reason::params_invalid;
  }
  if (has_lookalike(*meta_, meta_keys, detail_)) return Reason::key_lookalike;
  return std::nullopt;
}

/// The body decides; the header must agree (MCP 2026-07-28, "Protocol Version Header").
Reader::Fault Reader::read_era() {
  const std::string_view header = headers_.get("mcp-protocol-version");
  const auto in_body = meta_ ? meta_->member(meta_version) : std::nullopt;
  if (in_body && !in_body->is(json::Kind::string)) {
    detail_ = "_meta protocolVersion must be a string";
    return Reason::params_invalid;
  }
  if (!in_body && header < modern_version) return read_legacy();
  message_.era = Era::modern;
  if (in_body) {
    requested_ = in_body->text().substr(0, 64);
    if (header != in_body->text()) {
      detail_ = "MCP-Protocol-Version";
      return Reason::header_mismatch;
    }
    if (!is_supported(in_body->text())) return Reason::version_unsupported;
    if (in_body->text() < modern_version) {
      detail_ = "_meta protocolVersion of a version that has none";
      return Reason::params_invalid;
    }
  }
  return read_modern();
}

Reader::Fault Reader::read_modern() {
  const std::string_view header = headers_.get("mcp-protocol-version");
  if (message_.kind == Kind::response) {
    detail_ = "responses are not sent to a server in this version";
    return Reason::message_malformed;
  }
  if (!is_supported(header)) {
    requested_ = header.substr(0, 64);
    return Reason::version_unsupported;
  }
  message_.protocol_version = *std::find(versions.begin(), versions.end(), header);
  if (message_.kind == Kind::request) {
    const auto capabilities = meta_ ? meta_->member(meta_capabilities) : std::nullopt;
    if (!meta_ || !meta_->member(meta_version) || !capabilities || !capabilities->is(json::Kind::object)) {
      detail_ = "_meta must hold protocolVersion and clientCapabilities";
      return Reason::params_invalid;
    }
  }
  return std::nullopt;
}

Reader::Fault Reader::read_legacy() {
  message_.era = Era::legacy;
  const std::string_view header = headers_.get("mcp-protocol-version");
  if (!header.empty() && !is_supported(header)) {
    requested_ = header.substr(0, 64);
    return Reason::version_unsupported;
  }
  message_.protocol_version = header.empty() ? versions.back() : *std::find(versions.begin(), versions.end(), header);
  message_.session_id = headers_.get("mcp-session-id");
  const bool visible = std::all_of(message_.session_id.begin(), message_.session_id.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!visible || message_.session_id.size() > limits_.max_name_bytes) return Reason::session_malformed;
  return std::nullopt;
}

Reader::Fault Reader::read_operation() {
  if (message_.kind == Kind::response) return std::nullopt;
  message_.category = category_of(message_.method);
  const bool notification = message_.kind == Kind::notification;
  // A notification has no answer: as one, a call would be run by some servers without a trace.
  if (notification != (message_.category == Category::notify) && message_.category != Category::unknown) {
    detail_ = notification ? "a request without an id" : "a notification with an id";
    return Reason::message_malformed;
  }
  // Subscribing to a resource is reading it.
  if (message_.method == "subscriptions/listen") {
    const auto resources = message_.params ? message_.params->at({"notifications", "resourceSubscriptions"}) : std::nullopt;
    if (resources && !(resources->is(json::Kind::array) && resources->size() == 0)) message_.category = Category::unknown;
  }
  const bool by_name = message_.category == Category::tool || message_.category == Category::prompt;
  if (by_name || message_.category == Category::resource) {
    const auto name = message_.params ? message_.params->member(by_name ? "name" : "uri") : std::nullopt;
    if (!name || !name->is(json::Kind::string) || name->text().empty() || name->text().size() > limits_.max_name_bytes) {
      detail_ = by_name ? "params.name must be a string" : "params.uri must be a string";
      return Reason::params_invalid;
    }
    message_.name = name->text();
  }
  if (by_name) {
    message_.arguments = message_.params->member("arguments");
    if (message_.arguments && !message_.arguments->is(json::Kind::object)) {
      detail_ = "params.arguments must be an object";
      return Reason::params_invalid;
    }
  }
  const MirrorCheck mirrors{headers_, message_.era, message_.method, message_.name};
  if (auto fault = mirrors.fault()) {
    detail_ = *fault;
    return Reason::header_mismatch;
  }
  return std::nullopt;
}

Result<Message, Refusal> Reader::read(json::Document& document, std::string_view body) {
  if (auto fault = check_transport()) return fail(refusal(*fault, detail_));
  const auto root = document.read(body, limits_.json);
  if (!root) {
    const Reason reason = root.error() == json::Error::key_duplicate ? Reason::key_duplicate
                          : root.error() == json::Error::too_large   ? Reason::body_too_large
                                                                     : Reason::json_invalid;
    return fail(refusal(reason, std::string(json::to_string(root.error()))));
  }
  if (auto fault = read_envelope(*root)) return fail(refusal(*fault, detail_));
  if (auto fault = read_era()) return fail(refusal(*fault, detail_));
  if (auto fault = read_operation()) return fail(refusal(*fault, detail_));
  return message_;
}

}  // namespace

Result<Message, Refusal> read_message(json::Document& document, std::string_view body, const Headers& headers,
                                      const ReadLimits& limits) {
  return Reader(headers, limits).read(document, body);
}

std::string_view supported_versions_json() noexcept {
  return R"(["2026-07-28","2025-11-25","2025-06-18","2025-03-26"])";
}

}  // namespace agw::mcp
