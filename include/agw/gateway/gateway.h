// The course of a call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/audit/writer.h"
#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/gateway/answer.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/gateway/response_course.h"
#include "agw/gateway/states.h"
#include "agw/grants/last_use.h"
#include "agw/grants/store.h"
#include "agw/identity/authenticator.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/zone.h"
#include "agw/json/document.h"
#include "agw/limits/limiter.h"
#include "agw/limits/token_uses.h"
#include "agw/outbound/exchanger.h"

namespace agw::grants {
class BreakGlass;
}  // namespace agw::grants

namespace agw::identity {
class Possession;
class Workloads;
}  // namespace agw::identity

namespace agw::gateway {

/// Who calls, for a backend that is told so (agent_identity_headers). Empty parts aren't sent.
struct CallerIdentity {
  std::string_view user;       ///< X-Agent-User
  std::string_view client;     ///< X-Agent-Client
  std::string_view tenant;     ///< X-Agent-Tenant
  std::string_view operation;  ///< X-Agent-Operation
};

/// What the host does before it proxies. Views point into the Call.
struct Forward {
  /// Value of the Authorization header to set; empty: none goes out.
  std::string_view authorization;
  /// False only in observe mode without an exchange: the caller's own headers stay.
  bool strip_credentials = true;
  /// The call is sent once, and its answer recorded: the backend is asked for one without encoding, no second server is
  /// tried, and once begun it goes on also when the client leaves.
  bool recorded = false;
  /// The answer is read: the backend is asked for one without encoding.
  bool read = false;
  std::optional<CallerIdentity> identity;
  /// Session ids are sealed here: what the client sent under Mcp-Session-Id doesn't go on, but `session` in its place.
  bool binds_session = false;
  std::string_view session;  ///< the backend's id; empty: none goes on
  std::string_view body;  ///< what goes on in the place of the body that was sent; empty: that one
  std::string_view mirrored_name;  ///< the same for the value of Mcp-Name
};

/// The response head of a backend, as far as the course judges it.
struct BackendHead {
  int status = 0;
  bool accel_redirect = false;  ///< it carries X-Accel-Redirect
};

struct Understanding;
class Breakers;
class CallMetrics;
class RouteSights;

/// One per worker.
class Gateway {
 public:
  /// Of what callers see, in one turn of looks: some milliseconds.
  static constexpr std::size_t evaluations_a_turn = 50'000;

  struct Services {
    Clock& clock;
    Log& log;
    Metrics& metrics;
    identity::Authenticator& authenticator;
    grants::Store& store;
    limits::Limiter& limiter;
    outbound::Exchanger& exchanger;
    audit::Writer& audit;
    grants::LastUse* uses = nullptr;  ///< null: nobody keeps them
    Breakers* breakers = nullptr;  ///< null where no location has any
    idempotency::Ledger* ledger = nullptr;  ///< null: no operation asks for a key
    Sessions* sessions = nullptr;  ///< null: no location binds any
    States* states = nullptr;  ///< the same
    Tasks* tasks = nullptr;  ///< the same
    grants::BreakGlass* break_glass = nullptr;  ///< null: nobody breaks the glass
    identity::Possession* possession = nullptr;  ///< null: who holds a bound token can't prove it
    identity::Workloads* workloads = nullptr;  ///< null: certificates name nobody
    limits::TokenUses* token_uses = nullptr;  ///< null: tokens that are good for one call are refused
  };
  explicit Gateway(Services services);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Decides about one request: what to forward, or what to answer instead. `request` and `call`
  /// outlive the task. Nothing has been sent to the backend when it ends; the decision is safe in
  /// the audit log's hands.
  [[nodiscard]] Task<Result<Forward, Answer>> govern(const Location& location, Request& request, Call& call);

  /// What the caller may do at one protected resource, which `locations` (one at least) serve: for each operation that
  /// is visible to this principal, what a call would be told. The answer to any request for it, refusals too.
  [[nodiscard]] Task<Answer> permissions(const std::vector<const Location*>& locations, const Request& request,
                                         Call& call);

  /// Whether a call that goes on may still do so, judged as of now: nothing, or why it must end. On a hit a plain call.
  /// `call` was forwarded, and is enforced; it and `request` outlive the task.
  [[nodiscard]] ValueTask<std::optional<Reason>> look_again(const Location& location, Request& request, Call& call);

  /// After look_again(): the lists of which the caller sees something else than the listener was last told, among those
  /// that it listens to. Takes the evaluations that it needs from `budget`; where there aren't enough left, it says
  /// nothing now and all of it at a later look.
  [[nodiscard]] ListKinds changed_lists(Call& call, std::size_t& budget);

  /// Judges what the backend answered: nothing, or the answer to send in its place.
  [[nodiscard]] std::optional<Answer> judge_response(Call& call, const Headers& headers, const BackendHead& head);

  /// How the backend's answer to an MCP call goes on: null where it passes as it is; or why it can't be read.
  [[nodiscard]] Result<std::unique_ptr<ResponseCourse>, Reason> respond(Call& call, const AnswerHead& head);
  /// What is sent in the place of an answer that its course refused.
  [[nodiscard]] Answer refuse_response(Call& call, const Headers& headers, Reason reason);

  /// The whole answer to a call that holds a claim: repeats get it.
  void keep(Call& call, BackendAnswer answer) noexcept;

  /// What the agent gets for the session id that the backend sent; empty: none.
  [[nodiscard]] std::string session_field(const Call& call, std::string_view backend_id) const;

  /// The session id that the agent gets where the backend's answer, of this status, has none; empty: none.
  [[nodiscard]] std::string made_session(const Call& call, int status) const;

  /// What the agent is told of its limits, beside the backend's answer.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> response_fields(const Call& call) const;

  /// The answer for a request that reached the content phase without a decision of its own, and
  /// for exceptions (fail closed); audits it.
  [[nodiscard]] Answer refuse(const Location& location, const Request& request, Call& call, Reason reason);

  /// Completes the audit event and the metrics. `completion.outcome` is `unknown` where the host
  /// has nothing worse to tell than the status.
  void finish(Call& call, audit::Completion completion) noexcept;

 private:
  /// Whether a stop doesn't hold for the caller; told in its event and in the log.
  [[nodiscard]] bool breaks_glass(const policy::Facts& facts, Call& call);
  using FactsAnswer = Result<policy::FactsPtr, grants::StoreFailure>;

  void open(const Location& location, const Request& request, Call& call);
  [[nodiscard]] ValueTask<Result<PrincipalPtr, Reason>> authenticate(const Location& location, const Request& request,
                                                                     Call& call);
  [[nodiscard, gnu::noinline]] Task<Result<PrincipalPtr, Reason>> prove(const Location& location,
                                                                        const Request& request, Call& call,
                                                                        PrincipalPtr principal);
  [[nodiscard, gnu::noinline]] Result<PrincipalPtr, Reason> workload(const Location& location, const Request& request,
                                                                     Call& call);
  [[nodiscard]] ValueTask<Result<PrincipalPtr, identity::TokenRefusal>> authenticate_again(const Location& location,
                                                                                           const Request& request,
                                                                                           const Call& call);
  [[nodiscard, gnu::noinline]] Task<Result<PrincipalPtr, Reason>> ask_issuer(const Location& location,
                                                                             const Request& request,
                                                                             std::string_view body, Call& call);
  [[nodiscard, gnu::noinline]] Task<void> use_token(const Location& location, const Request& request,
                                                    std::string_view body, Call& call);
  [[nodiscard]] Task<std::optional<Reason>> await_look(const Location& location, Request& request, Call& call,
                                                       ValueTask<Result<PrincipalPtr, identity::TokenRefusal>> who);
  [[nodiscard]] Task<std::optional<Reason>> await_look(const Location& location, Request& request, Call& call,
                                                       PrincipalPtr principal, ValueTask<FactsAnswer> facts);
  [[nodiscard]] std::optional<Reason> look_result(const Location& location, Request& request, Call& call,
                                                  PrincipalPtr principal, FactsAnswer facts);
  [[nodiscard]] std::optional<Reason> open_handed_out(const Location& location, std::string_view body, Call& call,
                                                      Understanding& asked);
  [[nodiscard]] std::optional<Reason> open_session(const Location& location, Call& call);
  [[nodiscard, gnu::noinline]] std::optional<Reason> open_in_body(const Location& location, std::string_view body,
                                                                  Call& call, Understanding& asked);
  [[nodiscard]] std::optional<Reason> open_state(const Location& location, Call& call);
  [[nodiscard]] std::optional<Reason> open_task(const Location& location, NamedTask& named, const Call& call);
  void judge_as_made(const Location& location, const NamedTask& named, Call& call, Understanding& asked);
  [[nodiscard]] Decision judge(const Location& location, const Request& request, std::string_view body,
                               const policy::Facts& facts, std::optional<Reason> resource_failure, Call& call);
  // The frames of what few calls do stay out of the course's own, which every call asks memory for.
  [[nodiscard, gnu::noinline]] Task<Decision> judge_again(const Location& location, const Request& request,
                                                          std::string_view body, std::optional<Reason> resource_failure,
                                                          Call& call);
  [[nodiscard, gnu::noinline]] Task<void> claim(const Location& location, const Request& request, std::string_view body,
                                                std::optional<Reason> resource_failure, Call& call);
  [[nodiscard, gnu::noinline]] Task<Decision> judge_further(const Location& location, const Request& request,
                                                            std::string_view body, Call& call, Decision whole);
  [[nodiscard]] Task<std::optional<Reason>> look_further(const Location& location, Request& request, Call& call);
  [[nodiscard]] ValueTask<Result<void, Reason>> provide_credential(Call& call);
  [[nodiscard]] Result<Forward, Answer> conclude(const Location& location, const Request& request, Call& call);
  [[nodiscard]] Result<Forward, Answer> conclude(const Location& location, const Request& request, Call& call,
                                                 const Decision& decision);
  [[nodiscard]] Answer refuse_permissions(const Location& location, const Request& request, Call& call,
                                          const Decision& decision);
  [[nodiscard, gnu::noinline]] Answer replay(const Location& location, const Request& request, Call& call);
  [[nodiscard]] bool begin_record(const Request& request, Call& call);
  void note_uses(const Call& call);
  void log_detail(const Call& call);

  Services services_;
  json::Document document_;  ///< used only between two suspensions
  std::unique_ptr<CallMetrics> metrics_;
  std::unique_ptr<RouteSights> sights_;
};

}  // namespace agw::gateway
