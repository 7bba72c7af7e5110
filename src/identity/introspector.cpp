#include "introspector.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "agw/base/exception.h"
#include "agw/identity/client_access.h"
#include "agw/json/scalar.h"
#include "agw/oauth/introspection.h"
#include "agw/oauth/token_exchange.h"

#include "answer.h"
#include "signature.h"

namespace agw::identity {
namespace {

constexpr std::size_t max_answer_bytes = 64U * 1024;

using Answer = Introspector::Answer;

TokenRefusal refusal(Reason reason, std::string detail) { return {reason, std::move(detail)}; }

TokenRefusal unavailable(std::string detail) { return refusal(Reason::introspection_unavailable, std::move(detail)); }

void append(std::string& out, const Sha256& digest) {
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

/// A token means something for one location; the key says so.
std::string key_of(std::string_view token, const TrustProfile& trust) {
  std::string out;
  append(out, sha256(token));
  const auto profile = reinterpret_cast<std::uintptr_t>(&trust);
  out.append(reinterpret_cast<const char*>(&profile), sizeof profile);
  return out;
}

std::string key_with(std::string key, const ContextFields* told) {
  if (told == nullptr) return key;
  std::string all;
  for (const auto& [name, value] : *told) {
    for (const std::string& part : {name, value}) {
      all += std::to_string(part.size());
      all += ':';
      all += part;
    }
  }
  append(key, sha256(all));
  return key;
}

bool is_media_type(std::string_view field, std::string_view wanted) {
  field = field.substr(0, field.find(';'));
  while (field.ends_with(' ') || field.ends_with('\t')) field.remove_suffix(1);
  return std::ranges::equal(field, wanted, [](char got, char want) {
    return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got | 0x20) : got);
  });
}

}  // namespace

/// Everything a flight needs; it outlives the request that began it.
struct Introspector::State {
  /// What a question needs, its own: the request that asks may end before.
  struct Question {
    Secret token;
    const TrustProfile& trust;
    std::size_t issuer;
    PrincipalPtr verified;
    std::optional<ContextFields> told;
    std::string key;  ///< of the token
    std::string kept_as;  ///< with what was told
  };
  using QuestionPtr = std::shared_ptr<const Question>;

  struct Kept {
    SteadyTime asked{};
    std::shared_ptr<const Answer> answer;  ///< null: nobody answered
  };

  /// What an answer was compiled to: the same words again make the same principal, and what hangs on it stays warm.
  struct Compiled {
    Sha256 claims{};
    PrincipalPtr verified;
    PrincipalPtr principal;
  };

  struct Issuer {
    IssuerKeys* keys;
    std::unique_ptr<ClientAccess> client;  ///< null: it has none
  };

  State(Authenticator::Host given, std::size_t max)
      : host(given),
        kept(max),
        compiled(max),
        flights(given.loop,
                [](const std::exception_ptr& error) {
                  return Kept{{},
                              std::make_shared<const Answer>(fail(
                                  refusal(Reason::internal_error, std::string("an exception: ") + text_of(error))))};
                }),
        remembered(given.metrics.cell(R"(agent_introspections_total{result="remembered"})")),
        active(given.metrics.cell(R"(agent_introspections_total{result="active"})")),
        inactive(given.metrics.cell(R"(agent_introspections_total{result="inactive"})")),
        failed(given.metrics.cell(R"(agent_introspections_total{result="failed"})")) {}

  /// Null: it isn't known, too old, or the token has ended since.
  [[nodiscard]] const Answer* find(const std::string& key, SteadyTime not_before, const IssuerConfig& issuer) {
    const Kept* const known = kept.find(key);
    if (known == nullptr || known->asked < not_before) return nullptr;
    if (!*known->answer) return known->answer.get();
    const bool alive = host.clock.now() < (**known->answer)->expires_at + issuer.clock_skew;
    return alive ? known->answer.get() : nullptr;
  }

  [[nodiscard]] Task<Answer> shared(QuestionPtr question, Milliseconds age);
  [[nodiscard]] Task<Answer> alone(QuestionPtr question);
  static Task<Kept> fly(State* state, QuestionPtr question);
  enum class Keeping : bool { no, yes };
  [[nodiscard]] Task<Kept> put(QuestionPtr question, Keeping keeping);
  [[nodiscard]] Task<Result<oauth::IntrospectionAnswer, TokenRefusal>> question_issuer(const Question& question);
  [[nodiscard]] Task<Result<oauth::IntrospectionAnswer, TokenRefusal>> read(HttpResponse response, Issuer& issuer);
  [[nodiscard]] Answer compile(const Question& question, const std::string& claims);

  Authenticator::Host host;
  std::vector<Issuer> issuers;
  Recent<Kept> kept;
  Recent<Compiled> compiled;
  SingleFlight<Kept> flights;
  std::size_t under_way = 0;
  Metrics::Cell& remembered;
  Metrics::Cell& active;
  Metrics::Cell& inactive;
  Metrics::Cell& failed;
};

Introspector::Introspector(Authenticator::Host host, std::size_t max_remembered)
    : state_(std::make_unique<State>(host, std::min(max_remembered, most_remembered))) {}

Introspector::~Introspector() = default;

void Introspector::add(IssuerKeys& issuer) {
  auto client = issuer.config().client ? std::make_unique<ClientAccess>(issuer.config(), state_->host.log) : nullptr;
  state_->issuers.push_back({&issuer, std::move(client)});
}

ValueTask<Answer> Introspector::ask(const AskedToken& asked, const Inquiry& inquiry) {
  State& state = *state_;
  const Milliseconds age = std::max(asked.trust.introspection->max_age, inquiry.going_on);
  std::string key = key_of(asked.token, asked.trust);
  std::string kept_as = key_with(key, inquiry.told);
  if (age.count() > 0) {
    const auto* const known =
        state.find(kept_as, state.host.clock.steady() - age, state.issuers[asked.issuer].keys->config());
    if (known != nullptr) {
      state.remembered.fetch_add(1, std::memory_order_relaxed);
      return *known;
    }
  }
  std::optional<ContextFields> told;
  if (inquiry.told != nullptr) told = *inquiry.told;
  State::QuestionPtr question =
      std::make_shared<const State::Question>(Secret(std::string(asked.token)), asked.trust, asked.issuer,
                                              asked.verified, std::move(told), std::move(key), std::move(kept_as));
  if (age.count() == 0) return state.alone(std::move(question));
  return state.shared(std::move(question), age);
}

Task<Answer> Introspector::State::alone(QuestionPtr question) {
  auto putting = put(std::move(question), Keeping::no);
  const Kept answered = co_await std::move(putting);
  co_return *answered.answer;
}

Task<Introspector::State::Kept> Introspector::State::fly(State* state, QuestionPtr question) {
  return state->put(std::move(question), Keeping::yes);
}

Task<Answer> Introspector::State::shared(QuestionPtr question, Milliseconds age) {
  const SteadyTime oldest = host.clock.steady() - age;
  while (true) {
    auto work = [state = this, question] { return fly(state, question); };
    auto flight = flights.run(question->kept_as, std::move(work));
    const Kept answered = co_await std::move(flight);
    // Who joined a question that had been under way for long asks one of his own; nobody's failure is old.
    const bool settled =
        !*answered.answer && row((*answered.answer).error().reason).disposition != Disposition::challenge;
    if (answered.asked >= oldest || settled) co_return *answered.answer;
  }
}

Task<Introspector::State::Kept> Introspector::State::put(QuestionPtr question, Keeping keeping) {
  struct UnderWay {
    explicit UnderWay(State& owner) noexcept : state(owner) { ++state.under_way; }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() { --state.under_way; }
    State& state;
  };
  Kept out{host.clock.steady(), nullptr};
  if (under_way >= most_under_way) {
    failed.fetch_add(1, std::memory_order_relaxed);
    out.answer = std::make_shared<const Answer>(fail(unavailable("too many questions are under way")));
    co_return out;
  }
  const UnderWay here(*this);
  auto asking = question_issuer(*question);
  auto said = co_await std::move(asking);
  if (!said) {
    failed.fetch_add(1, std::memory_order_relaxed);
    out.answer = std::make_shared<const Answer>(fail(std::move(said.error())));
    co_return out;
  }
  (said->active ? active : inactive).fetch_add(1, std::memory_order_relaxed);
  out.answer = std::make_shared<const Answer>(said->active ? compile(*question, said->claims)
                                                           : Answer(fail(refusal(Reason::token_inactive, ""))));
  if (keeping == Keeping::yes) kept.put(question->kept_as, out);
  co_return out;
}

Answer Introspector::State::compile(const Question& question, const std::string& claims) {
  const Sha256 digest = sha256(claims);
  const IssuerConfig& issuer = issuers[question.issuer].keys->config();
  const ClaimRules rules{issuer, question.trust.resource, host.clock.now(), question.trust.issuers};
  if (const Compiled* const known = compiled.find(question.key);
      known != nullptr && known->claims == digest && known->verified == question.verified &&
      rules.now < known->principal->expires_at + issuer.clock_skew)
    return known->principal;
  std::shared_ptr<Principal> made;
  if (question.verified != nullptr) {
    made = std::make_shared<Principal>(*question.verified);
    if (auto fault = narrow(*made, claims, rules)) return fail(*std::move(fault));
  } else {
    auto read = principal_of_answer(claims, rules);
    if (!read) return fail(std::move(read.error()));
    made = *std::move(read);
    made->token_digest = sha256_hex(question.token.reveal());
  }
  compiled.put(question.key, {digest, question.verified, made});
  return PrincipalPtr(std::move(made));
}

Task<Result<oauth::IntrospectionAnswer, TokenRefusal>> Introspector::State::question_issuer(const Question& question) {
  Issuer& issuer = issuers[question.issuer];
  const IssuerConfig& config = issuer.keys->config();
  // `nginx -t` asks for one.
  if (!issuer.client) co_return fail(unavailable("no client at issuer " + config.alias));
  const SteadyTime deadline = host.clock.steady() + config.timeout;

  oauth::IntrospectionQuestion asked{.endpoint = config.introspection_endpoint,
                                     .token = question.token.reveal(),
                                     .signed_answer = config.signed_introspection,
                                     .fields = question.told ? &*question.told : nullptr};
  AddressRule addresses = AddressRule::configured;
  std::vector<std::string> methods;
  if (asked.endpoint.empty()) {
    auto discovering = issuer.keys->metadata();
    const auto metadata = co_await std::move(discovering);
    if (!metadata) co_return fail(unavailable("no metadata of issuer " + config.alias));
    asked.endpoint = metadata->introspection_endpoint;
    addresses = addresses_for(asked.endpoint, config);
    methods = metadata->introspection_endpoint_auth_methods.empty() ? metadata->token_endpoint_auth_methods
                                                                    : metadata->introspection_endpoint_auth_methods;
  }
  if (asked.endpoint.empty()) co_return fail(unavailable("no introspection endpoint of issuer " + config.alias));
  const auto client = issuer.client->credentials(methods);
  if (!client) co_return fail(unavailable("no credentials for issuer " + config.alias));
  auto request = oauth::introspection_request(asked, *client, host.random, host.clock.now());
  if (!request) co_return fail(unavailable("the client's key can't be used"));
  request->addresses = addresses;
  request->ca_file = config.ca_file;
  request->proxy = config.proxy;
  request->max_body = max_answer_bytes;
  request->timeout = std::chrono::duration_cast<Milliseconds>(deadline - host.clock.steady());
  if (request->timeout.count() <= 0) co_return fail(unavailable("issuer " + config.alias + " takes too long"));

  auto fetching = host.http.fetch(*std::move(request));
  auto response = co_await std::move(fetching);
  if (!response)
    co_return fail(unavailable("issuer " + config.alias + ": " + std::string(to_string(response.error()))));
  auto reading = read(*std::move(response), issuer);
  co_return co_await std::move(reading);
}

Task<Result<oauth::IntrospectionAnswer, TokenRefusal>> Introspector::State::read(HttpResponse response,
                                                                                 Issuer& issuer) {
  const IssuerConfig& config = issuer.keys->config();
  const std::string whose = "issuer " + config.alias + ": ";
  if (response.status != 200) {
    const std::string code = oauth::parse_error_code(response.body);
    const std::string detail =
        whose + "status " + std::to_string(response.status) + (code.empty() ? "" : ", error ") + code;
    // RFC 7662 section 2.3: what is wrong is the client, and stays so until somebody mends it.
    const bool refused =
        response.status == 401 || response.status == 403 || code == "invalid_client" || code == "unauthorized_client";
    co_return fail(refusal(refused ? Reason::introspection_refused : Reason::introspection_unavailable, detail));
  }
  const std::string_view type = response.header("content-type");
  if (!config.signed_introspection) {
    if (!json::is_json_media_type(type)) co_return fail(unavailable(whose + "the answer is not JSON"));
    auto answer = oauth::parse_introspection_answer(response.body);
    if (!answer) co_return fail(unavailable(whose + "the answer is malformed"));
    co_return *std::move(answer);
  }
  if (!is_media_type(type, oauth::signed_answer_type)) co_return fail(unavailable(whose + "the answer is not signed"));
  auto checking = check_signature(response.body, *issuer.keys, Expected::introspection_answer);
  const auto jwt = co_await std::move(checking);
  if (!jwt) {
    // Keys that can't be fetched now are another matter than a signature that is wrong.
    if (row(jwt.error().reason).disposition == Disposition::unavailable) co_return fail(jwt.error());
    co_return fail(unavailable(whose + "the answer's signature: " + std::string(to_string(jwt.error().reason))));
  }
  const oauth::SignedAnswerRules rules{config.issuer, config.client->id, host.clock.now(), config.clock_skew,
                                       config.timeout};
  auto answer = oauth::parse_signed_answer(jwt->payload, rules);
  if (!answer) {
    const bool foreign = answer.error() == oauth::IntrospectionError::another_recipient;
    co_return fail(
        unavailable(whose + (foreign ? "the answer is for somebody else" : "the signed answer is malformed")));
  }
  co_return *std::move(answer);
}

}  // namespace agw::identity
