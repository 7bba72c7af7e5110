#include "agw/gateway/gateway.h"

#include <algorithm>
#include <utility>

#include "agw/gateway/breakers.h"
#include "agw/gateway/origin.h"
#include "agw/grants/break_glass.h"

#include "call_details.h"
#include "call_metrics.h"
#include "consumption.h"
#include "credentials.h"
#include "edits.h"
#include "further.h"
#include "handshake.h"
#include "operation.h"
#include "proving.h"
#include "refusal.h"
#include "repeats.h"
#include "sight.h"
#include "token_questions.h"

namespace agw::gateway {

bool stands_between(const Call& call) noexcept { return call.enforced || call.location->mode == Mode::enforce; }

bool Location::knows_scope(std::string_view scope) const noexcept {
  const auto& known = resource.scopes_supported;
  return std::find(known.begin(), known.end(), scope) != known.end();
}

namespace {

using Minted = Result<outbound::BackendTokenPtr, outbound::ExchangeFailure>;

Result<void, Reason> credential_of(Minted minted, Call& call) {
  if (minted) {
    call.backend_token = *std::move(minted);
    return {};
  }
  call.detail = minted.error().detail;
  // Where the location only observes, nothing is refused: the caller's own headers go on.
  if (stands_between(call)) {
    call.enforced = true;
    return fail(minted.error().reason);
  }
  call.exchange = nullptr;
  return {};
}

Task<Result<void, Reason>> await_credential(ValueTask<Minted> step, Call& call) {
  co_return credential_of(co_await std::move(step), call);
}

/// A tool or operation may be enforced where the rest is only observed, and the other way round.
/// Where some are enforced, what can't be read could be one of them; a browser's preflight, which
/// only asks, is none.
bool is_enforced(const Location& location, const Request& request, const Understanding& asked, const Call& call) {
  if (call.further != nullptr && enforces_any(location, *call.further)) return true;
  if (call.route != nullptr) return call.route->mode == Mode::enforce;
  return location.mode == Mode::enforce || (asked.refusal && location.enforces_some && !is_preflight(request));
}

Answer preflight_answer(const Location& location, const Headers& headers) {
  Answer answer;
  answer.status = 204;
  answer.headers = preflight_headers(location, headers);
  return answer;
}

}  // namespace

Gateway::Gateway(Services services)
    : services_(services),
      metrics_(std::make_unique<CallMetrics>(services.metrics)),
      sights_(std::make_unique<RouteSights>()) {}

Gateway::~Gateway() = default;

// The course of a call. Each step brings it further or ends it with a decision, which conclude()
// turns into an answer (or, in observe mode, into a line of the audit log).
Task<Result<Forward, Answer>> Gateway::govern(const Location& location, Request& request, Call& call) {
  open(location, request, call);
  call.request = &request;

  // Browsers: a preflight carries no credentials by design, and no page of a foreign origin, or behind a foreign name
  // for this address, may drive an agent's session. Both are settled before anything is asked.
  if (location.mode == Mode::enforce &&
      (!origin_allowed(location, request.headers()) || !host_allowed(location, request.headers())))
    co_return conclude(location, request, call, deny(Reason::origin_refused));
  if (location.mode == Mode::enforce && is_preflight(request))
    co_return fail(preflight_answer(location, request.headers()));

  // Who calls, and for whom? A stranger's body isn't even read, unless it decides whether the call
  // is one that is enforced.
  auto principal = co_await authenticate(location, request, call);
  // A token that is bound to a key is good in the hands of who has that key, and in nobody else's.
  if (must_prove(location, call, principal)) principal = co_await prove(location, request, call, *std::move(principal));
  if (!principal && !location.enforces_some) co_return conclude(location, request, call, deny(principal.error()));
  if (principal) call.principal = *principal;

  // What is asked, of what? The bytes that are judged here are the ones that go on.
  Result<std::string_view, Reason> body = std::string_view();
  if (body_is_judged(location, request)) body = co_await request.body(location.max_body);
  if (!body) co_return conclude(location, request, call, deny(principal ? body.error() : principal.error()));
  Understanding asked = understand(location, request, *body, document_, call);
  call.enforced = is_enforced(location, request, asked, call);
  // An issuer that hears what its token is used for is asked only now.
  if (is_to_be_asked(principal)) {
    principal = co_await ask_issuer(location, request, *body, call);
    if (must_prove(location, call, principal))
      principal = co_await prove(location, request, call, *std::move(principal));
    if (principal) call.principal = *principal;
  }
  if (!principal) co_return conclude(location, request, call, deny(principal.error()));
  if (asked.refusal) co_return conclude(location, request, call, deny(*asked.refusal));
  // What was handed out is its owner's alone: anybody else's session, state or task is one that never was. A look at a
  // task is judged as the call that made it.
  if (const auto strange = open_handed_out(location, *body, call, asked))
    co_return conclude(location, request, call, deny(*strange));
  if (call.made != nullptr) call.enforced = is_enforced(location, request, asked, call);
  if (location.enforces_some && call.enforced &&
      (!origin_allowed(location, request.headers()) || !host_allowed(location, request.headers())))
    co_return conclude(location, request, call, deny(Reason::origin_refused));

  // What does the store know about them, now?
  auto facts = co_await services_.store.facts(call.principal, call.operation);
  if (!facts) call.detail = facts.error().detail;
  if (!facts) co_return conclude(location, request, call, deny(facts.error().reason));
  call.facts = *facts;

  // May this agent, acting for this user, do this to that, now?
  call.decision = judge(location, request, *body, **facts, asked.resource_failure, call);
  // The tool inside a tool, and each resource that is followed, needs an allow of its own.
  if (call.further != nullptr) call.decision = co_await judge_further(location, request, *body, call, call.decision);
  if (call.further != nullptr) take_exchange(call);
  // Who has tripped a breaker waits, whether it is the agent or the backend.
  if (!location.breakers.empty()) services_.breakers->pass(**facts, call);
  if (!call.decision.allowed() && call.enforced) co_return conclude(location, request, call);

  // A repeat gets the first one's answer, or none; what goes on from here holds its key, and runs once.
  if (is_keyed(call)) {
    co_await claim(location, request, *body, asked.resource_failure, call);
    if (call.claim == nullptr) co_return conclude(location, request, call);
  }

  // What it uses up is taken once, all of it or nothing, now that every check has passed.
  if (is_limited(call)) {
    auto charges = charges_of(call, request, body->size());
    call.usage = co_await services_.limiter.commit(std::move(charges));
    // Who waited for a turn is judged as of now: what was revoked meanwhile is revoked.
    if (call.usage->outcome.wait.count() > 0 && !call.usage->refusal)
      call.decision = co_await judge_again(location, request, *body, asked.resource_failure, call);
    if (call.decision.allowed()) call.decision = within_limits(std::move(call.decision), *call.usage);
    if (call.detail.empty()) call.detail = call.usage->detail;
    if (!call.decision.allowed() && call.enforced) co_return conclude(location, request, call);
  }

  // The backend gets a token of its own, minted for it alone, or none.
  auto credential = co_await provide_credential(call);
  if (!credential) co_return conclude(location, request, call, deny(credential.error(), Verdict::pass));

  // A token that is good for one operation is used up by this one, as the last thing that could refuse it.
  if (uses_up_token(call)) {
    co_await use_token(location, request, *body, call);
    if (!call.decision.allowed() && call.enforced) co_return conclude(location, request, call);
  }

  // The grants that it came by are in use.
  if (call.decision.allowed() && services_.uses != nullptr) note_uses(call);

  // The decision is in the audit log's hands before the backend is asked.
  co_return conclude(location, request, call);
}

void Gateway::open(const Location& location, const Request& request, Call& call) {
  call.location = &location;
  call.request_id = request.id();
  // Until it is known to be one that is only observed.
  call.enforced = location.mode == Mode::enforce || location.enforces_some;
  call.type = location.kind == Kind::mcp ? "mcp.unread" : "rest.call";
  call.speaks_rpc = location.kind == Kind::mcp && request.method() == "POST";
  const std::string_view trace = trace_id(request.headers());
  call.trace_id = trace.empty() ? request.id() : trace;
}

bool Gateway::breaks_glass(const policy::Facts& facts, Call& call) {
  const bool stopped = facts.tenant != nullptr && facts.tenant->stopped;
  call.breaks_glass =
      stopped && services_.break_glass != nullptr && services_.break_glass->holds_for(call.principal->agent);
  return call.breaks_glass;
}

Decision Gateway::judge(const Location& location, const Request& request, std::string_view body,
                        const policy::Facts& facts, std::optional<Reason> resource_failure, Call& call) {
  if (facts.agent != nullptr) call.agent_name = facts.agent->name;
  call.user_name = facts.user != nullptr && !facts.user->name.empty() ? facts.user->name : call.principal->user_name;
  call.tier = facts.tier_name;
  call.exchange = location.exchange ? &*location.exchange : nullptr;

  policy::Question question{.principal = *call.principal};
  question.delegation = location.delegation;
  question.breaks_glass = breaks_glass(facts, call);
  question.now = services_.clock.now();
  const bool is_operation = !call.operation.empty() || location.kind == Kind::rest;
  if (!is_operation) {
    Decision decision = policy::admit(question, facts);
    return decision.allowed() ? within_scopes(location, call, std::move(decision)) : decision;
  }
  question.route = call.route != nullptr ? &call.route->policy : nullptr;
  question.resource = call.resource;
  question.resource_failure = resource_failure;
  question.of_many = call.of_many;
  if (call.route != nullptr) {
    if (call.route->exchange) call.exchange = &*call.route->exchange;
  }
  // Conditions read the arguments from the very bytes that go on, if one of them asks.
  const CallDetails details(location, request, body, document_, call);
  question.details = &details;
  return policy::evaluate(question, facts);
}

Task<Decision> Gateway::judge_again(const Location& location, const Request& request, std::string_view body,
                                    std::optional<Reason> resource_failure, Call& call) {
  auto authenticating = authenticate(location, request, call);
  auto principal = co_await std::move(authenticating);
  if (is_to_be_asked(principal)) {
    auto asking = ask_issuer(location, request, body, call);
    principal = co_await std::move(asking);
  }
  if (!principal) co_return deny(principal.error());
  call.principal = *std::move(principal);
  auto asking = services_.store.facts(call.principal, call.operation);
  auto facts = co_await std::move(asking);
  if (!facts) {
    call.detail = facts.error().detail;
    co_return deny(facts.error().reason);
  }
  call.facts = *facts;
  call.decision = judge(location, request, body, **facts, resource_failure, call);
  if (call.further != nullptr) {
    auto judging = judge_further(location, request, body, call, call.decision);
    call.decision = co_await std::move(judging);
    take_exchange(call);
  }
  if (!location.breakers.empty()) services_.breakers->pass(**facts, call);
  co_return std::move(call.decision);
}

Task<Decision> Gateway::judge_further(const Location& location, const Request& request, std::string_view body,
                                      Call& call, Decision whole) {
  Further& further = *call.further;
  further.refused = nullptr;
  std::vector<std::string> needed = whole.needed_scopes;
  for (FurtherSubject& one : further.subjects) {
    auto asking = services_.store.facts(call.principal, one.operation);
    auto facts = co_await std::move(asking);
    if (!facts) {
      call.detail = facts.error().detail;
      co_return deny(facts.error().reason);
    }
    one.facts = *facts;
    policy::Question question{.principal = *call.principal};
    question.delegation = location.delegation;
    question.breaks_glass = call.breaks_glass;
    question.now = services_.clock.now();
    question.route = one.route != nullptr ? &one.route->policy : nullptr;
    question.resource = one.resource;
    question.resource_failure = one.failure;
    const CallDetails details(location, request, body, document_, call, &one);
    question.details = &details;
    one.decision = policy::evaluate(question, *one.facts);
    // All that it needs is told at once, but nothing of what the caller can't see.
    if (one.decision.visible)
      needed.insert(needed.end(), one.decision.needed_scopes.begin(), one.decision.needed_scopes.end());
    if (!whole.allowed() || one.decision.allowed()) continue;
    whole = one.decision;
    further.refused = &one;
  }
  if (whole.reason == Reason::scope_missing) whole.needed_scopes = std::move(needed);
  if (whole.allowed() && !agree_on_exchange(location, further)) {
    call.detail = "they need different backend tokens: ask for them apart";
    co_return deny(Reason::params_invalid);
  }
  co_return whole;
}

void Gateway::note_uses(const Call& call) {
  services_.uses->note(call.principal, call.facts, call.decision);
  if (call.further == nullptr) return;
  for (const FurtherSubject& one : call.further->subjects)
    services_.uses->note(call.principal, one.facts, one.decision);
}

Task<void> Gateway::claim(const Location& location, const Request& request, std::string_view body,
                          std::optional<Reason> resource_failure, Call& call) {
  Reason refusal = Reason::idempotency_unavailable;
  if (call.keyed == nullptr || !call.keyed->key) {
    refusal = call.keyed != nullptr ? call.keyed->key.error() : Reason::idempotency_key_invalid;
  } else if (services_.ledger != nullptr) {
    auto committing = services_.ledger->commit(ask_of(call));
    auto outcome = co_await std::move(committing);
    if (call.detail.empty()) call.detail = std::move(outcome.detail);
    if (!outcome.refusal) {
      // Who waited for another call to end is judged as of now.
      if (outcome.waited) call.decision = co_await judge_again(location, request, body, resource_failure, call);
      if (!call.decision.allowed()) co_return;
      call.claim = std::move(outcome.claim);
      if (outcome.answer) call.replay = std::make_unique<idempotency::KeptAnswer>(*std::move(outcome.answer));
      co_return;
    }
    refusal = *outcome.refusal;
  }
  call.decision = within_claim(std::move(call.decision), refusal);
}

ValueTask<Result<void, Reason>> Gateway::provide_credential(Call& call) {
  // A denial that is only observed must not make the gateway ask for more than the caller has.
  const bool beyond =
      call.exchange != nullptr && !call.exchange->scope_independent && !covers(*call.principal, call.exchange->scopes);
  if (beyond) call.exchange = nullptr;
  if (call.exchange == nullptr) return Result<void, Reason>();
  auto step = services_.exchanger.token(call.principal, call.token, *call.exchange);
  if (!step.ready()) return await_credential(std::move(step), call);
  return credential_of(step.take(), call);
}

Result<Forward, Answer> Gateway::conclude(const Location& location, const Request& request, Call& call,
                                          const Decision& decision) {
  call.decision = decision;
  return conclude(location, request, call);
}

Result<Forward, Answer> Gateway::conclude(const Location& location, const Request& request, Call& call) {
  if (call.decision.reason == Reason::internal_error || !call.detail.empty()) log_detail(call);
  if (!begin_record(request, call) && call.enforced) call.decision = deny(Reason::audit_unavailable, Verdict::pass);
  if (!call.decision.allowed() && call.enforced) {
    call.claim = nullptr;
    if (call.usage != nullptr) call.usage->end();
    return fail(answer_for(location, request.headers(), call, call.decision));
  }
  if (call.replay != nullptr) return fail(replay(location, request, call));

  Forward forward;
  forward.recorded = call.claim != nullptr;
  forward.read = answers_are_read(location);
  if (call.claim != nullptr) call.claim->sent();
  forward.strip_credentials = stands_between(call) || call.backend_token != nullptr;
  if (call.backend_token) forward.authorization = call.backend_token->authorization;
  forward.binds_session = binds(location);
  if (call.session != nullptr) forward.session = call.session->backend_id;
  forward.body = call.body;
  if (call.tasks != nullptr) forward.mirrored_name = call.tasks->mirror;
  if (location.identity_headers && call.principal)
    forward.identity = {call.principal->user, call.principal->agent, call.principal->tenant, call.operation};
  return forward;
}

void Gateway::log_detail(const Call& call) {
  // What is wrong with a record is said by the store, once and not with every call that meets it.
  if (call.decision.reason == Reason::store_invalid || call.decision.reason == Reason::store_uninitialised) return;
  std::string line = "agent_gateway: " + std::string(to_string(call.decision.reason));
  if (!call.detail.empty()) line += ": " + call.detail;
  line += ", request ";
  line += call.request_id;
  // What clients send wrong must not fill the log of those who didn't ask for it.
  const Disposition disposition = row(call.decision.reason).disposition;
  const bool ours = disposition == Disposition::unavailable || disposition == Disposition::backend;
  services_.log.write(ours ? LogLevel::error : LogLevel::warn, line);
}

bool Gateway::begin_record(const Request& request, Call& call) {
  audit::Event event;
  event.id = call.request_id;
  event.time = services_.clock.now();
  event.type = call.type;
  event.decision = call.decision.kind;
  event.reason = call.decision.reason;
  event.checks = call.decision.checks;
  event.enforced = call.enforced;
  event.principal = call.principal.get();
  event.agent_name = call.agent_name;
  event.user_name = call.user_name;
  event.tier = call.tier;
  event.operation = call.operation;
  event.resource = call.resource;
  if (call.route != nullptr) event.classification = call.route->policy.classification;
  if (call.exchange != nullptr) event.audience = call.exchange->audience;
  event.method = request.method();
  event.path = request.path();
  event.mcp_version = call.mcp_version;
  event.mcp_method = call.mcp_method;
  event.mcp_id = call.rpc_id;
  event.mcp_tool = call.mcp_tool;
  event.mcp_prompt = call.mcp_prompt;
  event.mcp_uri = call.mcp_uri;
  if (call.further != nullptr) {
    const Further& further = *call.further;
    const FurtherSubject& told = further.refused != nullptr ? *further.refused : further.subjects.front();
    event.inner_operation = told.operation;
    event.inner_resource = told.resource;
  }
  event.client_ip = request.client_ip();
  event.user_agent = request.headers().get("user-agent");
  event.trace_id = call.trace_id;
  event.span_id = event.id.substr(0, 16);
  event.detail = call.detail;
  if (event.detail.empty() && call.decision.unmet != nullptr) event.detail = call.decision.unmet->text();
  // Who of several agents it was.
  if (call.decision.failed_link != 0) event.detail = call.principal->chain[call.decision.failed_link - 1U];
  event.replay = call.replay != nullptr;
  event.break_glass = call.breaks_glass;
  event.grace = call.facts != nullptr && call.facts->grace;
  if (call.usage != nullptr && call.usage->refused_by() != nullptr) event.detail = call.usage->refused_by()->name;
  auto record = services_.audit.begin(event);
  if (!record) return false;
  call.record = *std::move(record);
  return true;
}

Answer Gateway::refuse(const Location& location, const Request& request, Call& call, Reason reason) {
  open(location, request, call);
  call.decision = deny(reason);
  call.enforced = true;
  // Each decision has one event: one that was begun ends for this reason.
  if (call.record.open()) {
    call.failure = reason;
  } else {
    static_cast<void>(begin_record(request, call));
  }
  return answer_for(location, request.headers(), call, call.decision);
}

void Gateway::finish(Call& call, audit::Completion completion) noexcept {
  completion.failure = call.failure;
  if (completion.outcome == audit::Outcome::unknown) {
    const bool passed = call.decision.allowed() || !call.enforced;
    completion.outcome = !passed                                    ? audit::Outcome::refused
                         : call.failure || completion.status >= 400 ? audit::Outcome::error
                                                                    : audit::Outcome::ok;
  }
  completion.items_shown = call.items_shown;
  completion.items_hidden = call.items_hidden;
  call.record.finish(completion);
  call.claim = nullptr;
  if (call.usage != nullptr) {
    services_.limiter.settle(call.usage, completion.response_bytes);
    call.usage->end();
  }
  try {
    if (call.location != nullptr && !call.location->breakers.empty()) services_.breakers->finish(call, completion);
    if ((call.items_shown | call.items_hidden) != 0) metrics_->count_items(call);
    metrics_->count(call, call.failure.value_or(call.decision.reason), completion.overhead_us);
  } catch (...) {
    services_.log.write(LogLevel::alert, "agent_gateway: no memory to count a call");
  }
}

}  // namespace agw::gateway
