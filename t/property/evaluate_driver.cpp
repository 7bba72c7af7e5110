// Answers what the policy room decides, line by line: `P POLICY` sets the policy file's JSON, `Q QUESTION` asks.
#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/json/tree.h"
#include "agw/policy/charges.h"
#include "agw/policy/evaluate.h"

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

std::string judged(const grants::CompiledPolicy& policy, const json_t* q) {
  Principal who;
  who.tenant = "default";
  who.user = text(q, "user");
  who.agent = text(q, "agent");
  who.groups = list(q, "groups");
  who.provider = text(q, "provider");
  who.model = text(q, "model");
  who.scopes = who.implied_scopes = list(q, "scopes");
  who.issued_at = from_unix(json_integer_value(json_object_get(q, "issued")));
  policy::Route route;
  route.operation = text(q, "operation");
  route.scopes = list(q, "route_scopes");
  route.exchange_scopes = list(q, "exchange_scopes");
  const std::string resource = text(q, "resource");
  policy::Question question{.principal = who};
  if (json_is_true(json_object_get(q, "named"))) question.route = &route;
  question.resource = resource;
  if (!text(q, "failure").empty())
    question.resource_failure =
        text(q, "failure") == "argument_missing" ? Reason::argument_missing : Reason::argument_invalid;
  question.delegation =
      text(q, "delegation") == "required" ? policy::DelegationMode::required : policy::DelegationMode::implicit;
  question.now = from_unix(json_integer_value(json_object_get(q, "now")));
  const policy::Facts facts = policy.facts(who, route.operation);
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
  for (const auto& charge : policy::charges(question, std::make_shared<policy::Facts>(facts), 0))
    limits.insert(charge.limit->place + ' ' + write_limit(*charge.limit));
  std::string separator = " [";
  for (const auto& limit : limits) out += std::exchange(separator, "; ") + limit;
  return limits.empty() ? out : out + ']';
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::unique_ptr<grants::CompiledPolicy> policy;
  bool through_redis = false;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string_view rest = std::string_view(line).substr(std::min<std::size_t>(line.size(), 2));
    if (line.starts_with("P ")) {
      auto parsed = grants::parse_policy(rest);
      if (!parsed) {
        std::cerr << parsed.error().path << " " << parsed.error().message << "\n";
        return 1;
      }
      // Every other one comes by what Redis would hold.
      if (through_redis = !through_redis; through_redis)
        for (auto& [name, tenant] : parsed->tenants) {
          auto decoded = grants::decode_tenant(grants::encode_tenant(tenant));
          if (!decoded) {
            std::cerr << decoded.error().detail << "\n";
            return 1;
          }
          tenant = *std::move(decoded);
        }
      policy = std::make_unique<grants::CompiledPolicy>(*std::move(parsed));
    } else if (const json::Tree question = json::read_tree(rest); question && policy) {
      std::cout << judged(*policy, question.get()) << "\n";
    } else {
      std::cerr << "neither a policy nor a question: " << line << "\n";
      return 1;
    }
  }
  return 0;
}
