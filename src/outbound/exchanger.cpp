#include "agw/outbound/exchanger.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <list>
#include <unordered_map>

#include "agw/base/exception.h"
#include "agw/io/single_flight.h"

#include "exchange_result.h"

namespace agw::outbound {
namespace {

/// A remembered token is given out while it has this long to live: the backend's clock and the
/// time on the way.
constexpr Milliseconds remaining_life{5000};

using Answer = Result<BackendTokenPtr, ExchangeFailure>;

ExchangeFailure failure(Reason reason, std::string detail) { return {reason, std::move(detail)}; }

}  // namespace

std::string exchange_key(std::string_view audience, const std::vector<std::string>& scopes) {
  std::string out(audience);
  for (const auto& scope : scopes) {
    out += '\n';
    out += scope;
  }
  return out;
}

/// Everything a flight needs; it outlives the request that began it.
struct Exchanger::State {
  State(Host given, std::size_t max)
      : host(given),
        max_remembered(max),
        flights(given.loop,
                [](const std::exception_ptr& error) {
                  return Answer(fail(failure(Reason::internal_error, std::string("an exception: ") + text_of(error))));
                }),
        hits(given.metrics.cell(R"(agent_exchanges_total{result="remembered"})")),
        minted(given.metrics.cell(R"(agent_exchanges_total{result="minted"})")),
        failed(given.metrics.cell(R"(agent_exchanges_total{result="failed"})")) {}

  /// What a token was minted for. The digest of the very token, not the subject: two tokens of
  /// one person differ in scope and binding, and each exchange answers for its own. The issuer's
  /// alias stands for the client.
  struct Key {
    std::string_view digest;
    std::string_view issuer;
    std::string_view spec;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      // The digest is as good as random already.
      std::size_t random = 0;
      std::memcpy(&random, key.digest.data(), std::min(sizeof random, key.digest.size()));
      return random ^ std::hash<std::string_view>{}(key.spec);
    }
  };
  struct Entry {
    Entry(PrincipalPtr who, std::string_view what, BackendTokenPtr minted)
        : principal(std::move(who)), spec(what), token(std::move(minted)) {}
    [[nodiscard]] Key key() const noexcept { return {principal->token_digest, principal->issuer, spec}; }

    PrincipalPtr principal;
    std::string spec;
    BackendTokenPtr token;
  };
  using Order = std::list<Entry>;  // most recently used first

  static Key key_of(const Principal& principal, const ExchangeSpec& spec) {
    return {principal.token_digest, principal.issuer, spec.key};
  }
  static std::string flight_of(const Key& key) {
    std::string out(key.digest);
    out += '\n';
    out += key.issuer;
    out += '\n';
    out += key.spec;
    return out;
  }

  BackendTokenPtr find(const Key& key) {
    auto it = index.find(key);
    if (it == index.end()) return nullptr;
    if (it->second->token->expires_at - remaining_life <= host.clock.now()) {
      forget(key);
      return nullptr;
    }
    if (it->second != order.begin()) order.splice(order.begin(), order, it->second);
    return it->second->token;
  }

  void remember(PrincipalPtr principal, const ExchangeSpec& spec, BackendTokenPtr token) {
    forget(key_of(*principal, spec));
    Order made;
    made.emplace_front(std::move(principal), spec.key, std::move(token));
    // The index's keys are views into the entries of the list, which don't move.
    index.emplace(made.front().key(), made.begin());
    order.splice(order.begin(), made);
    if (order.size() <= max_remembered) return;
    index.erase(order.back().key());
    order.pop_back();
  }

  void forget(const Key& key) noexcept {
    auto it = index.find(key);
    if (it == index.end()) return;
    const auto entry = it->second;
    index.erase(it);
    order.erase(entry);
  }

  Task<Answer> exchange(PrincipalPtr principal, std::shared_ptr<const Secret> subject_token, ExchangeSpec spec);
  Task<Answer> ask(const Principal& principal, std::string_view subject_token, const ExchangeSpec& spec);

  Host host;
  std::size_t max_remembered;
  Order order;
  std::unordered_map<Key, Order::iterator, KeyHash> index;
  SingleFlight<Answer> flights;
  Metrics::Cell& hits;
  Metrics::Cell& minted;
  Metrics::Cell& failed;
};

Task<Answer> Exchanger::State::exchange(PrincipalPtr principal, std::shared_ptr<const Secret> subject_token,
                                        ExchangeSpec spec) {
  Answer answer = co_await ask(*principal, subject_token->reveal(), spec);
  if (answer) {
    minted.fetch_add(1, std::memory_order_relaxed);
    remember(std::move(principal), spec, *answer);
  } else {
    failed.fetch_add(1, std::memory_order_relaxed);
    host.log.write(LogLevel::error, "agent_exchange: audience " + spec.audience + ": " +
                                        std::string(to_string(answer.error().reason)) + ": " + answer.error().detail);
  }
  co_return answer;
}

Task<Answer> Exchanger::State::ask(const Principal& principal, std::string_view subject_token,
                                   const ExchangeSpec& spec) {
  auto endpoint = co_await host.issuers.endpoint(principal.issuer);
  if (!endpoint) co_return fail(failure(endpoint.error(), "no token endpoint of " + principal.issuer));

  oauth::ExchangeQuestion question;
  question.token_endpoint = endpoint->token_endpoint;
  question.subject_token = subject_token;
  question.audience = spec.audience;
  question.scopes = spec.scopes;
  auto request = oauth::exchange_request(question, endpoint->client, host.random, host.clock.now());
  if (!request) co_return fail(failure(Reason::exchange_unavailable, "the client's key can't be used"));
  request->ca_file = endpoint->ca_file;
  request->proxy = endpoint->proxy;
  request->addresses = endpoint->addresses;
  request->timeout = endpoint->timeout;

  auto response = co_await host.http.fetch(std::move(*request));
  if (!response) co_return fail(failure(Reason::exchange_unavailable, std::string(to_string(response.error()))));
  if (response->status != 200) {
    std::string detail = "status " + std::to_string(response->status);
    const std::string code = oauth::parse_error_code(response->body);
    if (!code.empty()) detail += ", error " + code;
    // A 4xx is the issuer's word about this token; everything else may pass with time.
    const bool refused = response->status >= 400 && response->status < 500 && response->status != 429;
    co_return fail(failure(refused ? Reason::exchange_refused : Reason::exchange_unavailable, std::move(detail)));
  }
  auto answer = oauth::parse_exchange_answer(response->body);
  if (!answer) co_return fail(failure(Reason::exchange_invalid, "malformed answer"));

  const ResultCheck check{principal, spec, host.clock.now(), endpoint->clock_skew};
  if (auto fault = check_answer(*answer, check)) co_return fail(failure(Reason::exchange_invalid, *fault));
  WallTime expires_at = expiry_of(*answer, check);
  if (looks_like_jwt(answer->token.reveal())) {
    auto payload = co_await host.issuers.verify(principal.issuer, std::string(answer->token.reveal()));
    if (!payload) {
      // The keys that can't be fetched now are another matter than a signature that is wrong.
      const bool transient = row(payload.error()).disposition == Disposition::unavailable;
      co_return fail(
          failure(transient ? payload.error() : Reason::exchange_invalid, "the token's signature or issuer is wrong"));
    }
    if (auto fault = check_claims(*payload, check, expires_at))
      co_return fail(failure(Reason::exchange_invalid, *fault));
  }
  auto token = std::make_shared<BackendToken>();
  token->authorization = "Bearer " + std::string(answer->token.reveal());
  token->expires_at = expires_at;
  token->token = std::move(answer->token);
  co_return BackendTokenPtr(std::move(token));
}

Exchanger::Exchanger(Host host, std::size_t max_remembered) : state_(std::make_unique<State>(host, max_remembered)) {}

Exchanger::~Exchanger() = default;

ValueTask<Answer> Exchanger::token(const PrincipalPtr& principal, std::string_view subject_token,
                                   const ExchangeSpec& spec) {
  const State::Key key = State::key_of(*principal, spec);
  if (auto known = state_->find(key)) {
    state_->hits.fetch_add(1, std::memory_order_relaxed);
    return Answer(std::move(known));
  }
  auto subject = std::make_shared<const Secret>(std::string(subject_token));
  auto work = [state = state_.get(), principal, subject, spec] { return state->exchange(principal, subject, spec); };
  return state_->flights.run(State::flight_of(key), std::move(work));
}

void Exchanger::drop(const Principal& principal, const ExchangeSpec& spec) noexcept {
  state_->forget(State::key_of(principal, spec));
}

}  // namespace agw::outbound
