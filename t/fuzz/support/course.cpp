#include "support/course.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agw/base/encoding.h"
#include "agw/policy/evaluate.h"

#include "support/claims.h"
#include "support/expected.h"

namespace agw::fuzz {
namespace {

constexpr std::size_t journal_segment = 16U * 1024;
constexpr unsigned most_calls = 16;  // steps that call, of one input
constexpr std::string_view client_secret = "k7#Wq-client-secret-of-the-gateway-9Z";

const test::Signer& issuer_key() {
  static const test::Signer key;
  return key;
}

const test::Signer& stranger_key() {
  static const test::Signer key;  // another key under the same id
  return key;
}

const std::string& secret_file() {
  static const std::string path = [] {
    const int file = ::memfd_create("secret", 0);
    const auto written = ::write(file, client_secret.data(), client_secret.size());
    expect(file >= 0 && written == static_cast<ssize_t>(client_secret.size()), "the secret is in its file");
    return "/proc/self/fd/" + std::to_string(file);
  }();
  return path;
}

int number(std::string_view text, int fallback) {
  int out = fallback;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// Lines end steps; inside one, \x01 stands for a newline.
std::string unfolded(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\x01', '\n');
  return out;
}

std::string_view first_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return word;
}

}  // namespace

struct Course::Run {
  gateway::Call call;
  std::optional<Task<Result<gateway::Forward, gateway::Answer>>> task;
  std::optional<Result<gateway::Forward, gateway::Answer>> outcome;  ///< none: abandoned
};

Course::Course(std::string_view input, Tally& tally)
    : input_(input), tally_(tally), world_(issuer_key(), journal_segment) {
  world_.config.client->secret_file = secret_file();
  secrets_.emplace_back(client_secret);
  secrets_.push_back(base64_encode("gateway:" + std::string(client_secret)));

  world_.store.answered = [this] { facts_at_ = world_.clock.now(); };
  answer_exchange({}, 200);
}

Course::~Course() = default;

void Course::run() {
  std::string_view rest = input_;
  unsigned calls = 0;
  while (!rest.empty() && calls < most_calls) {
    const std::string_view line = take_line(rest);
    if (line.empty()) continue;
    if (line.front() == '!' || line.front() == '~') ++calls;
    step(line.front(), line.substr(1));
  }
  count_events();
}

void Course::step(char what, std::string_view how) {
  switch (what) {
    case '!':  // to its end; so many at once
      return call(static_cast<unsigned>(std::clamp(number(how, 1), 1, 9)), std::nullopt);
    case '~': return call(1, Milliseconds(std::clamp(number(how, 0), 0, 10'000)));  // the client waits so long
    default: break;
  }
  if (what >= 'A' && what <= 'Z') return configure(what, how);
  if (what >= '0' && what <= '9') return disturb(what, how);
  speak(what, how);
}

/// Capital letters: how the gateway is set up.
void Course::configure(char what, std::string_view how) {
  gateway::Location& location = world_.location;
  switch (what) {
    case 'O': world_.observe(); break;
    case 'S':  // the first route is enforced, the rest observed
      world_.observe();
      location.enforces_some = true;
      location.routes.front().mode = gateway::Mode::enforce;
      break;
    case 'R': make_rest(); break;
    case 'E':  // the location's exchange
      world_.exchange();
      location.exchange->scope_independent = how == "i";
      break;
    case 'T':  // a tool's own exchange, for more
      world_.exchange();
      location.routes.front().exchange = location.exchange;
      location.routes.front().exchange->scopes = {"tickets:write"};
      location.routes.front().exchange->key = "tickets-api tickets:write";
      location.routes.front().policy.exchange_scopes = {"tickets:write"};
      break;
    case 'X': location.disclosure = gateway::Disclosure::explain; break;
    case 'D': location.delegation = policy::DelegationMode::required; break;
    case 'I': location.identity_headers = true; break;
    case 'P': set_policy(how); break;
    case 'L': location.max_body = static_cast<std::size_t>(std::max(number(how, 1000), 0)); break;
    case 'W': location.origins.emplace_back(how); break;
    case 'N':  // tenants that the issuer speaks for
      world_.config.tenants = {"acme", encode_part(how)};
      world_.config.claims.tenant = "tenant";
      break;
    case 'G':
      world_.config.scope_implies = {{"tickets:write", {"tickets:read"}}, {std::string(how), {"tickets:write"}}};
      break;
    default: break;
  }
}

/// Digits: what fails around it, and heals; what an issuer says.
void Course::disturb(char what, std::string_view how) {
  const std::string base(test::GatewayWorld::issuer_url);
  switch (what) {
    case '0':
      world_.store.broken = how == "i"   ? Reason::store_invalid
                            : how == "r" ? Reason::store_rolled_back
                                         : Reason::store_unavailable;
      break;
    case '1': world_.store.broken.reset(); break;
    case '2':
      world_.store.slow = &world_.loop;
      world_.store.delay = Milliseconds(std::clamp(number(how, 0), 0, 20'000));
      break;
    case '3':
      world_.http.drop(base + (how == "k"   ? "/keys"
                               : how == "m" ? "/.well-known/oauth-authorization-server"
                                            : "/token"));
      break;
    case '4':  // a key set, or metadata
      world_.http.on(base + (how.starts_with(R"({"keys")") ? "/keys" : "/.well-known/oauth-authorization-server"), 200,
                     unfolded(how));
      break;
    case '5': {  // the token endpoint: a status and a body
      const int status = number(first_word(how), 400);
      answer_exchange(how, status);
      break;
    }
    case '6': {  // the token endpoint: claims of the token that it gives
      const std::string token = issuer_key().sign(std::string(how));
      answer_exchange(
          R"({"access_token":)" + json_quoted(token) +
              R"(,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":600})",
          200);
      break;
    }
    case '7':
      world_.audit.file.room = static_cast<std::size_t>(std::clamp(number(how, 0), 0, 1 << 20));
      break;  // disk nearly full
    case '8': world_.audit.file.room = test::MemoryLog::no_limit; break;
    case '9': world_.loop.advance(Milliseconds(std::clamp(number(how, 0), 0, 4'000'000))); break;
    default: break;
  }
}

/// Small letters: the request.
void Course::speak(char what, std::string_view how) {
  test::FakeRequest& request = world_.request;
  // nginx lets no NUL into a request line or a field.
  if (std::string_view("vurqh").find(what) != std::string_view::npos && how.find('\0') != std::string_view::npos)
    return;
  switch (what) {
    case 'v': request.verb = how; break;
    case 'u': request.target = how; break;
    case 'r': request.raw = how; break;
    case 'q': request.arguments = how; break;
    case 'h': {  // a header field
      const std::size_t colon = how.find(':');
      if (colon == std::string_view::npos || how.find('\r') != std::string_view::npos) break;
      std::string_view value = how.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
      request.fields.add(std::string(how.substr(0, colon)), std::string(value));
      break;
    }
    case 'b': request.content = unfolded(how); break;
    case 'j': request.fields.add("Content-Type", "application/json"); break;
    case 't': {  // a tool and its arguments
      const std::string name(first_word(how));
      world_.tool(name, how.empty() ? "{}" : unfolded(how));
      break;
    }
    case 'a': authorize(how, false); break;
    case 'f': authorize(how, true); break;
    case 'm':  // what the tests' caller has, with these scopes
      authorize(
          R"({"iss":"https://as.example","sub":"mira","azp":"docs","aud":"https://gw.example/mcp","exp":1800003600,"scope":)" +
              json_quoted(how) + "}",
          false);
      break;
    case 'x': {  // one byte of the token is another
      std::string token = world_.token();
      keep_secret(token);
      const auto at = static_cast<std::size_t>(std::max(number(how, 0), 0)) % token.size();
      token[at] = token[at] == 'A' ? 'B' : 'A';
      world_.authorize(token);
      break;
    }
    case 's': backend_status_ = std::clamp(number(how, 200), 100, 599); break;
    default: break;
  }
}

void Course::make_rest() {
  gateway::Location& location = world_.location;
  if (location.kind == gateway::Kind::rest) return;
  location.kind = gateway::Kind::rest;
  location.routes.clear();
  location.tools.clear();
  location.body_is_judged = true;
  const auto add = [&](const char* method, const char* path, const char* operation, const char* scope,
                       const char* resource) {
    gateway::OperationRoute route;
    route.policy.operation = std::string("tickets/") + operation;
    route.policy.scopes = {scope};
    route.policy.resource = *policy::ResourceTemplate::parse(resource);
    route.method = method;
    route.path = path;
    static_cast<void>(location.router.add(*rest::parse_template(method, path)));
    // As the configuration is compiled: a route that is enforced makes the location one that enforces some.
    route.mode = location.enforces_some && location.routes.empty() ? gateway::Mode::enforce : location.mode;
    location.routes.push_back(std::move(route));
  };
  add("GET", "/api/tickets/<id>", "ticket.read", "tickets:read", "ticket:<id>");
  add("POST", "/api/tickets", "ticket.write", "tickets:write", "ticket:<body/id>");
  add("GET", "/api/find", "ticket.read", "tickets:read", "ticket:<query/id>");
}

void Course::set_policy(std::string_view json) {
  static std::unordered_map<std::string, std::shared_ptr<const grants::CompiledPolicy>> known;
  if (known.size() > 1024) known.clear();
  auto [entry, fresh] = known.try_emplace(std::string(json));
  if (fresh)
    if (auto policy = grants::parse_policy(json))
      entry->second = std::make_shared<const grants::CompiledPolicy>(*std::move(policy));
  if (entry->second) world_.store.policy = entry->second;
}

void Course::keep_secret(std::string_view token) {
  const std::size_t dot = token.rfind('.');
  if (dot == std::string_view::npos || token.size() - dot < 32) return;
  secrets_.emplace_back(token.substr(dot + 1));
}

void Course::authorize(std::string_view claims, bool by_stranger) {
  const std::string token = (by_stranger ? stranger_key() : issuer_key()).sign(std::string(claims));
  if (!by_stranger) good_.emplace(token, claims);
  keep_secret(token);
  world_.authorize(token);
}

void Course::answer_exchange(std::string_view body, int status) {
  static const std::string usual =
      R"({"access_token":")" +
      issuer_key().sign(R"({"sub":"mira","aud":"tickets-api","iss":"https://as.example","scope":"tickets:read",)"
                        R"("exp":1800003600})") +
      R"(","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":600})";
  const std::string text = body.empty() ? usual : unfolded(body);
  const Json answer = read_json(text);
  if (const std::string token = text_of(json_object_get(answer.get(), "access_token"));
      status == 200 && !token.empty()) {
    minted_.insert(token);
    keep_secret(token);
  }
  const std::string url = std::string(test::GatewayWorld::issuer_url) + "/token";
  // A slow one: in the hundreds of 6xx, so many milliseconds.
  world_.http.on(url, status >= 600 ? 200 : status, text, Milliseconds(status >= 600 ? (status - 600) * 100 : 0));
}

void Course::call(unsigned times, std::optional<Milliseconds> patience) {
  const WallTime began = world_.clock.now();
  const std::string content = world_.request.content;
  std::vector<std::unique_ptr<Run>> runs;
  for (unsigned i = 0; i < times; ++i) {
    Run& run = *runs.emplace_back(std::make_unique<Run>());
    run.task.emplace(world_.gateway.govern(world_.location, world_.request, run.call));
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
  }
  expect(world_.request.content == content, "the judged body is the one that goes on");
  runs.clear();
  world_.request = test::FakeRequest();
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

  int status = 200;
  const bool preflight = run.outcome && !forwarded && run.outcome->error().status == 204;
  if (run.outcome && !forwarded) {
    const gateway::Answer& answer = run.outcome->error();
    status = answer.status;
    expect_no_secret(answer.body, "an answer's body holds no secret");
    for (const auto& [name, value] : answer.headers) expect_no_secret(value, "an answer's field holds no secret");
    expect(preflight || !call.decision.allowed(), "what is allowed is not refused");
  }
  if (forwarded) {
    status = backend_status_;
    if (const auto answer = world_.gateway.judge_response(call, world_.request.fields, {status, false}))
      expect_no_secret(answer->body, "an answer in the backend's place holds no secret");
  }
  const bool recorded = call.record.open();
  const bool lost = call.decision.reason == Reason::audit_unavailable || (forwarded && !gateway::stands_between(call));
  expect(recorded || preflight || !run.outcome || lost, "each call has an event");
  records_ += recorded ? 1U : 0U;
  audit::Completion completion;
  completion.status = status;
  if (!run.outcome) completion.outcome = audit::Outcome::aborted;
  world_.gateway.finish(call, completion);
  ++tally_.calls[(rest ? "rest " : "mcp ") + (preflight ? std::string("preflight") : became)];
}

void Course::judge_forward(const Run& run) const {
  const gateway::Call& call = run.call;
  const gateway::Forward& forward = **run.outcome;
  const bool enforced = world_.location.mode == gateway::Mode::enforce;
  expect(!enforced || call.enforced, "an enforced location enforces");
  expect(!call.enforced || call.decision.allowed(), "nothing that is denied goes on");
  const Expected expected = expected_of(world_.location, world_.request);
  if (expected.route != nullptr && expected.route->mode == gateway::Mode::enforce)
    expect(call.decision.allowed(), "an enforced operation is allowed, or doesn't go on");

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
  expect(!good_.contains(token) || world_.request.fields.get("authorization").substr(7) != token,
         "the caller's token stays here");
}

void Course::judge_token(const Run& run, WallTime began) const {
  const auto [sent, field] = world_.request.fields.find("authorization");
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
  const Expected expected = expected_of(world_.location, world_.request);
  expect(expected.readable, "what is allowed can be read");
  policy::Question question{.principal = *call.principal};
  question.delegation = world_.location.delegation;
  question.now = facts_at_;
  const policy::Facts facts = world_.store.policy->facts(*call.principal, expected.operation);
  if (!expected.is_operation) {
    expect(call.operation.empty(), "no operation was judged where none is asked for");
    expect(policy::admit(question, facts).allowed(), "admitted once more");
    return;
  }
  expect(expected.route != nullptr && call.route == expected.route, "what was judged is what is asked for");
  expect(call.operation == expected.operation && call.resource == expected.resource, "of the resource that is named");
  expect(call.decision.checks[Check::scope] == Verdict::pass && call.decision.checks[Check::route] == Verdict::pass,
         "scope and route have been judged");
  question.route = &expected.route->policy;
  question.resource = expected.resource;
  expect(policy::evaluate(question, facts).allowed(), "allowed once more");
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
