#include "support/course.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agw/base/encoding.h"

#include "support/claims.h"
#include "support/expected.h"
#include "support/mcp_site.h"

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
    if (std::string_view("!~@").find(line.front()) != std::string_view::npos) ++calls;
    step(line.front(), line.substr(1));
  }
  end_listeners();
  count_events();
}

void Course::step(char what, std::string_view how) {
  switch (what) {
    case '!':  // to its end; so many at once
      return call(static_cast<unsigned>(std::clamp(number(how, 1), 1, 9)), std::nullopt);
    case '~': return call(1, Milliseconds(std::clamp(number(how, 0), 0, 10'000)));  // the client waits so long
    case '@': return call(1, std::nullopt, Stay::as_listener);
    case '=': return look_at_listeners();
    default: break;
  }
  if (what >= 'A' && what <= 'Z') return configure(what, how);
  if (what >= '0' && what <= '9') return disturb(what, how);
  speak(what, how);
}

/// Capital letters: how the gateway is set up.
void Course::configure(char what, std::string_view how) {
  gateway::Location& location = world_.location;
  // A location doesn't change while calls go on.
  if (what != 'P') end_listeners();
  switch (what) {
    case 'M':
      add_mcp_site(location);
      set_policy(site_policy());
      break;
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
    case 'c': {  // another caller: user and agent
      const std::string user(first_word(how));
      const std::string agent(first_word(how));
      authorize(R"({"iss":"https://as.example","sub":)" + json_quoted(user) + R"(,"azp":)" + json_quoted(agent) +
                    R"(,"aud":"https://gw.example/mcp","exp":1800003600,"scope":"tickets:read"})",
                false);
      break;
    }
    case 'p':  // a message of the earlier versions, of the stateless one
    case 'd': write_message(request, unfolded(how), what == 'd', std::exchange(brought_, {})); break;
    case 'k':  // a session that was given comes back
      request.fields.add("Mcp-Session-Id", handed_out_.session(static_cast<unsigned>(std::max(number(how, 0), 0))));
      break;
    case 'y': brought_ = handed_out_.state(static_cast<unsigned>(std::max(number(how, 0), 0))); break;
    case 'o': opens_session_ = true; break;
    case 'w':  // what the backend answers: `e` events, `j` JSON, else something else
      answer_type_ = how.starts_with('e')   ? "text/event-stream"
                     : how.starts_with('j') ? "application/json"
                                            : "text/plain";
      answer_ = unfolded(how.substr(std::min<std::size_t>(how.size(), 1)));
      break;
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
  location.prompts.clear();
  location.resources = {};
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
  world_.http.on(url, status >= 600 ? 200 : status, text, Milliseconds(std::clamp(status - 600, 0, 300) * 100));
}

}  // namespace agw::fuzz
