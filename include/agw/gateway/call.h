// What the gateway knows about one call, from the first byte to the audit line.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agw/audit/writer.h"
#include "agw/base/digest.h"
#include "agw/base/time.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/gateway/sessions.h"
#include "agw/gateway/tasks.h"
#include "agw/idempotency/ledger.h"
#include "agw/identity/sender.h"
#include "agw/limits/breaker_table.h"
#include "agw/limits/usage.h"
#include "agw/mcp/message.h"
#include "agw/model/decision.h"
#include "agw/model/principal.h"
#include "agw/outbound/exchanger.h"
#include "agw/policy/facts.h"

namespace agw::gateway {

/// A call that is carried out once for each key.
struct Keyed {
  Result<std::string, Reason> key;  ///< the client's, or why it has none
  Sha256 arguments{};               ///< of what a repeat must have in common with the first
};

/// What a call asks besides its own operation, judged by itself: the tool inside a tool, one of the resources that a
/// listener follows.
struct FurtherSubject {
  mcp::SubjectKind kind = mcp::SubjectKind::none;
  const OperationRoute* route = nullptr;  ///< null: the location names no such thing
  std::string name;                       ///< as the client names it
  std::string operation;
  std::string resource;
  std::vector<mcp::UriCapture> captures;
  MadeTaskPtr task;                       ///< kind task: the one that is followed, judged as the call that made it
  std::optional<Reason> failure;          ///< why its resource can't be made, or it can't be called so
  policy::FactsPtr facts;                 ///< once it was judged
  Decision decision;
};
struct Further {
  std::vector<FurtherSubject> subjects;  ///< one at least
  const FurtherSubject* refused = nullptr;  ///< the first that was
};

/// A state that a backend gave the client to bring back with this call.
struct SentState {
  std::string sealed;
  std::size_t at = 0;    ///< where it stands in the body, with its quotes
  std::size_t size = 0;
  Sha256 asked{};        ///< what it must be bound to
  std::string own;       ///< once it was opened: the backend's, as JSON
};

/// A task as a message names it.
struct NamedTask {
  /// subject: what the message asks for. related: of a request, what it belongs to. loosely: of a notification or a
  /// client's response, where it may as well be a task of the client's own.
  enum class Part : std::uint8_t { subject, followed, related, loosely };
  Part part = Part::subject;
  std::string sealed;
  std::size_t at = 0;    ///< where the id stands in the body, with its quotes
  std::size_t size = 0;
  std::size_t member_at = 0;  ///< loosely: the whole member, with the comma that goes with it
  std::size_t member_size = 0;
  MadeTaskPtr task{};    ///< once it was opened
};
struct NamedTasks {
  std::vector<NamedTask> named;  ///< one at least
  std::string mirror;            ///< what Mcp-Name has to be then; empty: nothing repeats an id
};

/// The lists whose changes a listener wants to hear of.
enum ListKind : std::uint8_t { tool_list = 1, prompt_list = 2, resource_list = 4 };
using ListKinds = std::uint8_t;

/// By what the caller may see a listener was last told of, or began.
struct Heard {
  PrincipalPtr principal;
  policy::FactsPtr facts;
};

/// Lives with the request. Views are of what lives as long: the request's id and header fields, the
/// configuration, literals, or something held here. None is of the body.
struct Call {
  const Location* location = nullptr;
  const OperationRoute* route = nullptr;
  std::string_view request_id;
  std::string_view token;         ///< as sent; empty before it was found, or where a certificate stands for it
  identity::TokenScheme scheme = identity::TokenScheme::bearer;
  std::string fresh_nonce;        ///< for the client's next DPoP proofs; empty: it is told none
  PrincipalPtr principal;
  std::unique_ptr<const identity::ContextFields> told;  ///< what its issuer was told of the call; null: nothing
  std::string_view type;          ///< `mcp.tools.call`, `rest.call` … (audit's `type`)
  std::string_view operation;     ///< `ns/name`, or empty
  std::string unnamed_operation;  ///< holds `operation` where the route doesn't name it
  std::string resource;
  bool of_many = false;           ///< `resource` stands for every one that its names could make
  Decision decision;
  bool enforced = true;
  mcp::Category category = mcp::Category::unknown;
  mcp::SubjectKind subject = mcp::SubjectKind::none;
  mcp::Era era = mcp::Era::legacy;
  bool speaks_rpc = false;        ///< the request was an MCP POST: a refusal's body is a JSON-RPC error
  std::string rpc_id;             ///< raw JSON of the id
  std::string_view mcp_method;
  std::string_view mcp_tool;
  std::string_view mcp_prompt;
  std::string_view mcp_uri;       ///< of a resource, or a template of such
  std::string mcp_version;
  std::string requested_version;
  std::string_view session_id;    ///< Mcp-Session-Id as sent; empty: none
  SessionPtr session;             ///< what it stands for; null: it names none, or nothing is bound here
  mcp::ClientCapabilities capabilities = 0;  ///< as initialize names them
  std::unique_ptr<SentState> state;  ///< null: it brings none back
  std::unique_ptr<NamedTasks> tasks;  ///< null: it names none
  MadeTaskPtr made;               ///< what is asked concerns this task: it is judged as the call that made it
  std::string body;               ///< what goes on in place of the body that was sent; empty: that one
  bool takes_tasks = false;       ///< the answer may be a task
  Request* request = nullptr;     ///< lives as long
  ListKinds listens = 0;          ///< to which lists' changes
  std::unique_ptr<Heard> heard;   ///< null: it listens to none, or has heard of all there is
  bool needs_session = false;     ///< it means nothing without the session that it belongs to
  std::string subject_name;       ///< an unknown tool, a method, prompt or resource as the client named it
  std::string_view trace_id;      ///< W3C trace context: the caller's, else the request id
  std::string detail;             ///< for log and audit; never a value of the client
  std::unique_ptr<Further> further;  ///< null: it asks nothing else
  const outbound::ExchangeSpec* exchange = nullptr;
  std::unique_ptr<const outbound::ExchangeSpec> narrowed_exchange;  ///< holds `exchange` where it is the caller's own
  outbound::BackendTokenPtr backend_token;
  policy::FactsPtr facts;  ///< those that it was judged by last; hold the three names
  std::string_view agent_name;
  std::string_view user_name;
  std::string_view tier;
  limits::UsagePtr usage;  ///< null: nothing limits it, or it was denied before
  std::unique_ptr<limits::Watch> watch;  ///< null: no breaker has to do with it, as far as is known
  std::unique_ptr<Keyed> keyed;  ///< null: the operation asks for no key, or the query can't be read
  std::shared_ptr<idempotency::Claim> claim;  ///< it has a key, and runs
  std::unique_ptr<idempotency::KeptAnswer> replay;  ///< it ran before
  std::optional<Reason> failure;  ///< what went wrong after the decision
  bool breaks_glass = false;  ///< a stop is in force, and doesn't hold for its agent
  std::uint32_t items_shown = 0;  ///< of the lists in its answer
  std::uint32_t items_hidden = 0;
  audit::Writer::Record record;
};

/// Whether what the gateway promises of enforced locations holds for this call: the caller's
/// credentials end here, the backend's challenges and cookies too.
[[nodiscard]] bool stands_between(const Call& call) noexcept;

/// Whether what was asked for is a stream of whatever comes: a GET, or subscriptions/listen.
[[nodiscard]] inline bool opens_stream(const Call& call) noexcept {
  return call.type == "mcp.stream" || call.type == "mcp.subscriptions.listen";
}

}  // namespace agw::gateway
