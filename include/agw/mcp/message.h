// One POST to an MCP endpoint, of either era, read strictly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/io/headers.h"
#include "agw/json/document.h"
#include "agw/model/reason.h"

namespace agw::mcp {

enum class Era : std::uint8_t { legacy, modern };  ///< before 2026-07-28 / from it on
enum class Kind : std::uint8_t { request, notification, response };

/// What a message means to the decision.
enum class Category : std::uint8_t {
  session,    ///< initialize, ping, server/discover, logging/setLevel, subscriptions/listen of neither
  list,       ///< tools/list, prompts/list, resources/list, resources/templates/list
  tool,       ///< tools/call
  prompt,     ///< prompts/get
  resource,   ///< resources/read
  completion, ///< completion/complete: of a prompt, a resource or a template
  subscribe,  ///< resources/subscribe, resources/unsubscribe
  listen,     ///< subscriptions/listen with resources or tasks: Message::resources, ::followed_tasks
  task,       ///< tasks/get, tasks/result, tasks/update, tasks/cancel, tasks/list (which names none)
  notify,     ///< any notification of the specification
  reply,      ///< a client's response to a server's request
  unknown     ///< everything else: refused
};

/// What a message names.
enum class SubjectKind : std::uint8_t { none, tool, prompt, resource, resource_template, task };

inline constexpr std::string_view modern_version = "2026-07-28";

/// Spans point into the body, the document's storage or the headers: valid while these live unchanged.
struct Message {
  Era era = Era::legacy;
  Kind kind = Kind::request;
  Category category = Category::unknown;
  std::string_view method;            ///< empty for a response; of unlimited life where the category is known
  std::string_view event_type;        ///< `mcp.tools.call`: what audit files a known method under
  std::string_view id;                ///< raw JSON of the id (`7`, `"7"`); empty if none
  std::string_view protocol_version;  ///< of body or header; "2025-03-26" where nobody says
  SubjectKind subject = SubjectKind::none;
  std::string_view name;              ///< of the subject: a name, a URI, a URI template, a task's id
  std::optional<json::Value> params;
  std::optional<json::Value> arguments;  ///< params.arguments of a tool or prompt
  std::optional<json::Value> resources;  ///< of a listen: an array of URIs, one at least
  std::optional<json::Value> followed_tasks;  ///< of a listen: an array of tasks' ids, one at least
  std::optional<json::Value> meta;  ///< `_meta` of params, or of a response's result: an object
  bool takes_tasks = false;  ///< its answer may be a task: it asks for one, or declares the extension
  std::string_view session_id;           ///< Mcp-Session-Id; legacy only
};

/// Why a POST is refused; `id` as far as it could be read (for the JSON-RPC error).
struct Refusal {
  Reason reason;
  std::string id;      ///< raw JSON or empty
  std::string detail;  ///< for the log and the error's message; no text of the client's
  std::string requested_version;  ///< with version_unsupported
};

struct ReadLimits {
  json::Limits json;
  std::size_t max_id_bytes = 256;
  std::size_t max_name_bytes = 1024;
  std::size_t max_task_bytes = 8192;  ///< of a task's id
  std::size_t max_session_bytes = 2048;
};

/// How a body that isn't strict JSON is refused, by MCP and REST alike.
[[nodiscard]] Reason reason_of(json::Error error) noexcept;

/// Reads the body of a POST: one strict JSON-RPC 2.0 object of one era (MCP 2025-03-26 …
/// 2026-07-28), headers that mirror the body agreeing with it (Mcp-Method, Mcp-Name,
/// MCP-Protocol-Version; facts: Base64 form of Mcp-Name), media type application/json, no
/// Content-Encoding, no batch, no duplicate keys anywhere, no look-alikes of known keys in
/// envelope, params or _meta, no unknown member in the envelope. A method that the message's era
/// doesn't define is of category unknown.
[[nodiscard]] Result<Message, Refusal> read_message(json::Document& document, std::string_view body,
                                                    const Headers& headers, const ReadLimits& limits);

/// Under `_meta`, an object with a taskId: what a message belongs to (MCP 2025-11-25, "Tasks").
inline constexpr std::string_view related_task = "io.modelcontextprotocol/related-task";

/// The versions passed, newest first, for -32022's data.
[[nodiscard]] std::string_view supported_versions_json() noexcept;

}  // namespace agw::mcp
