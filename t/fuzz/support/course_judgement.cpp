// What must hold of each call, whatever the input says.
#include <algorithm>
#include <utility>

#include <jansson.h>

#include "agw/gateway/sessions.h"
#include "agw/policy/evaluate.h"

#include "support/claims.h"
#include "support/course.h"
#include "support/expected.h"

namespace agw::fuzz {

void Course::call(unsigned times, std::optional<Milliseconds> patience, Stay stay) {
  const WallTime began = world_.clock.now();
  std::vector<std::unique_ptr<Run>> runs;
  for (unsigned i = 0; i < times; ++i) {
    Run& run = *runs.emplace_back(std::make_unique<Run>());
    run.request = world_.request;
    run.task.emplace(world_.gateway.govern(world_.location, run.request, run.call));
    run.task->start();
  }
  const auto pending = [&] {
    world_.loop.settle();
    return std::any_of(runs.begin(), runs.end(), [](const auto& run) { return !run->task->done(); });
  };
  if (patience) {
    if (pending()) world_.loop.advance(*patience);
  } else {
    for (int i = 0; i < 400 && pending(); ++i) world_.loop.advance(Milliseconds(250));
    expect(!pending(), "a call ends");
  }
  for (auto& run : runs) {
    if (run->task->done()) run->outcome = run->task->take();
    run->task.reset();
    judge(*run, began);
    expect(run->request.content == world_.request.content, "the judged body is the one that goes on");
    const bool listens = stay == Stay::as_listener && run->outcome && run->outcome->has_value();
    if (listens && run->call.enforced)
      listeners_.push_back(std::move(run));
    else
      end(*run, receive(*run));
  }
  runs.clear();
  world_.request = test::FakeRequest();
  opens_session_ = false;
  world_.audit.sealer.pass();
}

void Course::judge(Run& run, WallTime began) {
  gateway::Call& call = run.call;
  const bool rest = world_.location.kind == gateway::Kind::rest;
  const bool forwarded = run.outcome && run.outcome->has_value();
  std::string became = run.outcome ? std::string(to_string(call.decision.reason)) : "abandoned";
  if (forwarded) judge_forward(run);
  if (forwarded && call.decision.allowed()) judge_allow(run, began);
  if (forwarded && call.backend_token) became += ", exchanged";
  if (forwarded && !call.decision.allowed()) became = "observed";

  const bool preflight = run.outcome && !forwarded && run.outcome->error().status == 204;
  if (run.outcome && !forwarded) {
    judge_answer(run);
    expect(preflight || !call.decision.allowed(), "what is allowed is not refused");
  }
  const bool recorded = call.record.open();
  const bool lost = call.decision.reason == Reason::audit_unavailable || (forwarded && !gateway::stands_between(call));
  expect(recorded || preflight || !run.outcome || lost, "each call has an event");
  records_ += recorded ? 1U : 0U;
  ++tally_.calls[(rest ? "rest " : "mcp ") + (preflight ? std::string("preflight") : became)];
  if (!forwarded || !call.decision.allowed()) return;
  ++tally_.calls[std::string(call.type) + " allowed"];
  if (call.further != nullptr) ++tally_.calls["further allowed"];
  if (call.of_many) ++tally_.calls["of many allowed"];
  if (call.session != nullptr) ++tally_.calls["session brought back"];
  if (call.state != nullptr) ++tally_.calls["state brought back"];
}

void Course::judge_answer(const Run& run) {
  const gateway::Answer& answer = run.outcome->error();
  expect_no_secret(answer.body, "an answer's body holds no secret");
  for (const auto& [name, value] : answer.headers) expect_no_secret(value, "an answer's field holds no secret");
}

/// The backend has answered what goes on; the status that the caller sees.
int Course::receive(Run& run) {
  if (!run.outcome) return 0;
  if (!run.outcome->has_value()) return run.outcome->error().status;
  gateway::Call& call = run.call;
  if (const auto answer = world_.gateway.judge_response(call, run.request.fields, {backend_status_, false})) {
    expect_no_secret(answer->body, "an answer in the backend's place holds no secret");
    return backend_status_;
  }
  if (opens_session_ && (*run.outcome)->binds_session)
    for (auto& secret : handed_out_.open_session(world_.gateway, call)) secrets_.push_back(std::move(secret));
  const auto course = world_.gateway.respond(call, {backend_status_, answer_type_, false});
  if (!course || *course == nullptr) {
    if (!course)
      expect_no_secret(world_.gateway.refuse_response(call, run.request.fields, course.error()).body,
                       "an answer that can't be read gives no secret away");
    return backend_status_;
  }
  using Step = gateway::ResponseCourse::Step;
  constexpr std::size_t piece = 61;
  std::string out;
  Step step = Step::unchanged;
  for (std::size_t at = 0; at < answer_.size() && step != Step::refused; at += piece) {
    const std::string_view bytes = std::string_view(answer_).substr(at, piece);
    step = (*course)->feed(bytes, out);
    if (step == Step::unchanged) out += bytes;
  }
  if (step != Step::refused) step = (*course)->end(out);
  expect_no_secret(out, "what goes on to the agent holds no secret");
  if (step != Step::refused && (*course)->way() == gateway::ResponseCourse::Way::whole) judge_received(run, out);
  return backend_status_;
}

/// A body as the agent gets it.
void Course::judge_received(const Run& run, std::string_view answer) {
  if (world_.location.mode != gateway::Mode::enforce) return;
  const Json root = read_json(answer);
  const json_t* result = json_object_get(root.get(), "result");
  if (result == nullptr || json_object_get(root.get(), "method") != nullptr) return;
  const Expected expected = expected_of(world_.location, run.request);
  if (expected.method.ends_with("/list")) judge_list(run, expected, result);
  const json_t* state = json_object_get(result, "requestState");
  const bool may_come_back =
      expected.method == "tools/call" || expected.method == "prompts/get" || expected.method == "resources/read";
  if (state == nullptr || !expected.modern || !may_come_back) return;
  const Json before = read_json(answer_);
  std::string sealed = text_of(state);
  handed_out_.give_state(run.call, run.request,
                         text_of(json_object_get(json_object_get(before.get(), "result"), "requestState")), sealed,
                         world_.clock.now());
  secrets_.push_back(std::move(sealed));
}

void Course::judge_list(const Run& run, const Expected& expected, const json_t* result) const {
  for (const char* const list : {"tools", "prompts", "resources", "resourceTemplates"}) {
    const json_t* items = json_object_get(result, list);
    for (std::size_t i = 0; i < json_array_size(items); ++i) {
      const gateway::OperationRoute* route = listed_route(world_.location, list, json_array_get(items, i));
      expect(route != nullptr, "what nobody could call isn't listed");
      if (route->mode != gateway::Mode::enforce) continue;
      policy::Question question{.principal = *run.call.principal};
      question.delegation = world_.location.delegation;
      question.now = facts_at_;
      question.route = &route->policy;
      const auto facts = world_.store.policy->facts(*run.call.principal, route->policy.operation);
      expect(policy::evaluate(question, facts).visible, "what its caller can't see isn't listed");
      ++tally_.calls["listed"];
    }
  }
  if (!expected.modern) return;
  expect(text_of(json_object_get(result, "cacheScope")) == "private", "a filtered list is its caller's");
  const json_t* ttl = json_object_get(result, "ttlMs");
  expect(json_is_number(ttl) && json_number_value(ttl) <= static_cast<double>(world_.location.list_ttl.count()),
         "and not believed for long");
}

void Course::end(Run& run, int status) {
  audit::Completion completion;
  completion.status = status;
  if (!run.outcome) completion.outcome = audit::Outcome::aborted;
  world_.gateway.finish(run.call, completion);
}

/// Who listens is judged as of now: who goes on would be allowed once more.
void Course::look_at_listeners() {
  std::size_t budget = gateway::Gateway::evaluations_a_turn;
  for (auto& listener : listeners_) {
    Run& run = *listener;
    const WallTime began = world_.clock.now();
    auto looking = test::FakeLoop::await_step(world_.gateway.look_again(world_.location, run.request, run.call));
    looking.start();
    for (int i = 0; i < 400 && !looking.done(); ++i) world_.loop.advance(Milliseconds(250));
    world_.loop.settle();
    expect(looking.done(), "a look ends");
    const auto reason = looking.take();
    ++tally_.calls[reason ? "a listener ends" : "a listener goes on"];
    if (!reason) {
      judge_allow(run, began);
      expect((world_.gateway.changed_lists(run.call, budget) & ~run.call.listens) == 0,
             "a listener hears of what it listens to");
      continue;
    }
    run.call.failure = *reason;
    end(run, 200);
    listener.reset();
  }
  std::erase(listeners_, nullptr);
  world_.audit.sealer.pass();
}

void Course::end_listeners() {
  for (auto& listener : listeners_) end(*listener, 200);
  listeners_.clear();
}

void Course::judge_forward(const Run& run) const {
  const gateway::Call& call = run.call;
  const gateway::Forward& forward = **run.outcome;
  const bool enforced = world_.location.mode == gateway::Mode::enforce;
  expect(!enforced || call.enforced, "an enforced location enforces");
  expect(!call.enforced || call.decision.allowed(), "nothing that is denied goes on");
  const Expected expected = expected_of(world_.location, run.request);
  if (expected.route != nullptr && expected.route->mode == gateway::Mode::enforce)
    expect(call.decision.allowed(), "an enforced operation is allowed, or doesn't go on");

  if (gateway::binds(world_.location)) {
    handed_out_.judge_session(call, expected, run.request, forward);
    handed_out_.judge_body(call, expected, run.request.content, forward, world_.clock.now());
  } else {
    expect(!forward.binds_session && forward.session.empty() && forward.body.empty(), "nothing is bound here");
  }

  const bool between = gateway::stands_between(call);
  expect(forward.strip_credentials == (between || call.backend_token != nullptr), "the caller's credentials end here");
  if (!call.backend_token) {
    expect(forward.authorization.empty(), "no token comes of nothing");
    expect(!between || call.exchange == nullptr, "the backend's token is there, or the call isn't");
    return;
  }
  expect(forward.authorization.starts_with("Bearer "), "the backend gets a bearer token");
  const std::string token(forward.authorization.substr(7));
  expect(minted_.contains(token), "the backend's token is one that the issuer gave");
  expect(!good_.contains(token) || run.request.fields.get("authorization").substr(7) != token,
         "the caller's token stays here");
}

void Course::judge_token(const Run& run, WallTime began) const {
  const auto [sent, field] = run.request.fields.find("authorization");
  expect(sent == 1, "one credential was sent");
  std::string_view token = field;
  token.remove_prefix(std::min<std::size_t>(7, token.size()));
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  const auto good = good_.find(std::string(token));
  expect(good != good_.end(), "the token is the issuer's");
  const Json claims = read_json(good->second);
  expect(json_is_object(claims.get()), "the claims can be read");
  expect(text_of(json_object_get(claims.get(), "iss")) == test::GatewayWorld::issuer_url,
         "the token is of the trusted issuer");
  expect(holds(json_object_get(claims.get(), "aud"), world_.location.resource.identifier),
         "the token is for this resource");
  const double expiry = json_number_value(json_object_get(claims.get(), "exp"));
  expect(expiry + 30 > static_cast<double>(to_unix(began)), "the token has not expired");
  expect(text_of(json_object_get(claims.get(), "sub")) == run.call.principal->subject, "the caller is the token's");
  expect(json_object_get(claims.get(), "cnf") == nullptr, "a bound token is no bearer token");
}

void Course::judge_allow(const Run& run, WallTime began) const {
  const gateway::Call& call = run.call;
  expect(call.principal != nullptr, "somebody calls");
  judge_token(run, began);
  expect(!world_.store.broken, "a store that fails allows nothing");
  for (std::size_t i = 0; i < check_count; ++i)
    expect(call.decision.checks[static_cast<Check>(i)] != Verdict::fail, "no verdict fails where it is allowed");
  for (const Check check : {Check::token, Check::user, Check::agent, Check::delegation})
    expect(call.decision.checks[check] == Verdict::pass, "who calls has been judged");

  // Decided once more, from the bytes that go on, as another reader understands them.
  const Expected expected = expected_of(world_.location, run.request);
  expect(expected.readable, "what is allowed can be read");
  expect(expected.mirrored, "the head says what the body says");
  expect(!expected.method.starts_with("tasks/"), "tasks are nobody's");
  judge_asked(run, expected);
}

void Course::judge_asked(const Run& run, const Expected& expected) const {
  const gateway::Call& call = run.call;
  policy::Question question{.principal = *call.principal};
  question.delegation = world_.location.delegation;
  question.now = facts_at_;
  const auto allowed = [&](const Asked& asked) {
    expect(asked.route != nullptr, "what is allowed has a route");
    question.route = &asked.route->policy;
    question.resource = asked.resource;
    return policy::evaluate(question, world_.store.policy->facts(*call.principal, asked.operation)).allowed();
  };
  for (const Asked& further : expected.further) expect(allowed(further), "all that is asked besides is allowed");
  if (!expected.is_operation) {
    expect(call.operation.empty(), "no operation was judged where none is asked for");
    const policy::Facts facts = world_.store.policy->facts(*call.principal, {});
    expect(policy::admit(question, facts).allowed(), "admitted once more");
    return;
  }
  expect(expected.route != nullptr && call.route == expected.route, "what was judged is what is asked for");
  expect(call.operation == expected.operation && call.resource == expected.resource, "of the resource that is named");
  expect(call.decision.checks[Check::scope] == Verdict::pass && call.decision.checks[Check::route] == Verdict::pass,
         "scope and route have been judged");
  question.of_many = expected.of_many;
  expect(allowed(expected), "allowed once more");
}

void Course::expect_no_secret(std::string_view output, const char* where) const {
  for (const auto& secret : secrets_)
    if (output.find(secret) != std::string_view::npos) expect(input_.find(secret) != std::string_view::npos, where);
}

/// Everything that was begun is written, once, when the disk lets it; nothing else is.
void Course::count_events() {
  world_.audit.file.room = test::MemoryLog::no_limit;
  for (int i = 0; i < 3; ++i) world_.audit.sealer.pass();
  const std::string text = world_.audit.file.whole();
  std::size_t events = 0;
  static json::Document document;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    expect(end != std::string::npos, "a line has an end");
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (line.find(R"("type":"audit.)") != std::string_view::npos) continue;
    ++events;
    expect(document.read(line, {}).has_value(), "an event is strict JSON");
  }
  expect(events == records_, "one event for each call");
  expect_no_secret(text, "the audit log holds no secret");
  for (const auto* log : {&world_.log, &world_.audit.log})
    for (const auto& [level, line] : log->lines) expect_no_secret(line, "the log holds no secret");
  expect(world_.loop.reported == 0, "no task dies of an exception");
}

}  // namespace agw::fuzz
