// Answers what the policy room decides, line by line: `P POLICY` sets the policy file's JSON, `Q QUESTION` asks. The
// facts are those of a compiled file and those that calls gather in Redis, in turn.
#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/grants/redis_store.h"
#include "agw/json/tree.h"
#include "agw/policy/charges.h"
#include "agw/policy/evaluate.h"

#include "agwctl/redis_connection.h"
#include "support/memory_redis.h"

namespace {

using namespace agw;

std::string text(const json_t* object, const char* key) {
  const char* value = json_string_value(json_object_get(object, key));
  return value == nullptr ? "" : value;
}

std::vector<std::string> list(const json_t* object, const char* key) {
  std::vector<std::string> out;
  const json_t* array = json_object_get(object, key);
  for (std::size_t i = 0; i < json_array_size(array); ++i)
    out.emplace_back(json_string_value(json_array_get(array, i)));
  std::sort(out.begin(), out.end());
  return out;
}

class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual policy::FactsPtr facts(const PrincipalPtr& who, const std::string& operation) = 0;
};

class File final : public Source {
 public:
  explicit File(grants::Policy policy) : policy_(std::move(policy)) {}
  policy::FactsPtr facts(const PrincipalPtr& who, const std::string& operation) override {
    return std::make_shared<policy::Facts>(policy_.facts(*who, operation));
  }

 private:
  grants::CompiledPolicy policy_;
};

class InRedis final : public Source {
 public:
  /// `emergencies`: of whom what no policy file brings to Redis is taken.
  InRedis(const grants::TenantPolicy& policy, const grants::TenantPolicy& emergencies) {
    for (const auto& [name, fields] : grants::encode_tenant(policy))
      redis_.hashes[grants::policy_key("default", name)] = fields;
    redis_.hashes[grants::policy_key("default", "meta")] = {
        {"schema", "1"}, {"incarnation", "i"}, {"born", "1"}, {"version", "1"}};
    if (emergencies.tenant.stopped) redis_.hashes[grants::policy_key("default", "tenant")]["stop_all"] = "true";
    for (const auto& token : emergencies.revoked)
      redis_.strings[grants::policy_key("default", "revoked:" + token)] = "x";
  }
  policy::FactsPtr facts(const PrincipalPtr& who, const std::string& operation) override {
    redis_.trips.clear();
    auto found = agwctl::run(await(store_.facts(who, operation)));
    if (found) return *std::move(found);
    std::cerr << found.error().detail << "\n";
    std::exit(1);
  }

 private:
  using Answer = Result<policy::FactsPtr, grants::StoreFailure>;
  static Task<Answer> await(ValueTask<Answer> step) { co_return co_await std::move(step); }

  test::MemoryRedis redis_;
  grants::RedisStore store_{redis_};
};

std::string judged(Source& source, const json_t* q) {
  const auto caller = std::make_shared<Principal>();
  Principal& who = *caller;
  who.tenant = "default";
  who.user = text(q, "user");
  who.agent = text(q, "agent");
  const json_t* chain = json_object_get(q, "chain");
  for (std::size_t i = 0; i < json_array_size(chain); ++i)
    who.chain.emplace_back(json_string_value(json_array_get(chain, i)));
  who.machine = json_is_true(json_object_get(q, "machine"));
  who.groups = list(q, "groups");
  who.provider = text(q, "provider");
  who.model = text(q, "model");
  who.scopes = who.implied_scopes = list(q, "scopes");
  who.issuer = "a";
  who.jti = text(q, "jti");
  who.sid = text(q, "sid");
  who.key_id = text(q, "key");
  who.client = text(q, "client");
  who.issued_at = from_unix(json_integer_value(json_object_get(q, "issued")));
  policy::Route route;
  route.operation = text(q, "operation");
  route.scopes = list(q, "route_scopes");
  route.exchange_scopes = list(q, "exchange_scopes");
  for (const auto& condition : list(q, "require")) route.require.push_back(*Condition::compile(condition));
  const std::string resource = text(q, "resource");
  policy::Question question{.principal = who};
  if (json_is_true(json_object_get(q, "named"))) question.route = &route;
  question.resource = resource;
  if (!text(q, "failure").empty())
    question.resource_failure =
        text(q, "failure") == "argument_missing" ? Reason::argument_missing : Reason::argument_invalid;
  question.delegation =
      text(q, "delegation") == "required" ? policy::DelegationMode::required : policy::DelegationMode::implicit;
  question.breaks_glass = json_is_true(json_object_get(q, "glass"));
  question.now = from_unix(json_integer_value(json_object_get(q, "now")));
  const policy::FactsPtr known = source.facts(caller, route.operation);
  const policy::Facts& facts = *known;
  const bool handshake = json_is_true(json_object_get(q, "handshake"));
  const Decision decision = handshake ? policy::admit(question, facts) : policy::evaluate(question, facts);

  std::string out(to_string(decision.kind));
  out += ' ';
  out += to_string(decision.reason);
  out += decision.visible ? " visible" : " hidden";
  for (std::size_t i = 0; i < check_count; ++i) {
    out += i == 0 ? " " : ",";
    out += to_string(decision.checks[static_cast<Check>(i)]);
  }
  for (std::size_t i = 0; i < decision.needed_scopes.size(); ++i)
    out += (i == 0 ? " " : ",") + decision.needed_scopes[i];
  std::multiset<std::string> limits;
  for (const auto& charge : policy::charges(question, known, 0))
    limits.insert(charge.limit->place + ' ' + write_limit(*charge.limit));
  std::string separator = " [";
  for (const auto& limit : limits) out += std::exchange(separator, "; ") + limit;
  return limits.empty() ? out : out + ']';
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::unique_ptr<Source> policy;
  bool through_redis = false;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string_view rest = std::string_view(line).substr(std::min<std::size_t>(line.size(), 2));
    if (line.starts_with("P ")) {
      auto parsed = grants::parse_policy(rest);
      if (!parsed) {
        std::cerr << parsed.error().path << " " << parsed.error().message << "\n";
        return 1;
      }
      if (through_redis = !through_redis; through_redis) {
        // What was written can be read again as it was.
        const auto decoded = grants::decode_tenant(grants::encode_tenant(parsed->tenants.at("default")));
        if (!decoded) {
          std::cerr << decoded.error().detail << "\n";
          return 1;
        }
        policy = std::make_unique<InRedis>(*decoded, parsed->tenants.at("default"));
      } else {
        policy = std::make_unique<File>(*std::move(parsed));
      }
    } else if (const json::Tree question = json::read_tree(rest); question && policy) {
      std::cout << judged(*policy, question.get()) << "\n";
    } else {
      std::cerr << "neither a policy nor a question: " << line << "\n";
      return 1;
    }
  }
  return 0;
}
