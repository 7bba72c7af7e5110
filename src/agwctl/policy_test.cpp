// A table of calls with what is expected of each.
#include <algorithm>
#include <array>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/limits/counter.h"
#include "agw/model/network.h"
#include "agw/model/pattern.h"

#include "arguments.h"
#include "asker.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "policy_error.h"
#include "printable.h"
#include "table.h"

namespace agw::agwctl {
namespace {

constexpr std::int64_t most_before = 1'000'000;

struct Expected {
  std::string name;
  std::string path;
  std::string operation;
  std::string resource;
  std::string expect;  ///< allow, deny, rate_limited or a reason
  std::optional<std::vector<std::string>> limits;  ///< as write_limit has them, sorted; absent: nothing is expected
  std::int64_t after = 0;                          ///< so many others like it came at the same moment
  Caller caller;
  AskOptions ask;
};

/// Reads the table strictly, knowing where it stands.
class TableReader {
 public:
  TableReader(const std::string& file, const TestOptions& options) : file_(file), options_(options) {}

  std::vector<Expected> read() {
    text_ = read_json_or_yaml(file_);
    json::TreeError error;
    tree_ = json::read_tree(text_.json, &error);
    if (!tree_) throw Failure(place_text(file_, error.line, "", "is not valid JSON: " + error.message));
    expect_keys(tree_.get(), "", {"defaults", "tests"});
    const json_t* defaults = json_object_get(tree_.get(), "defaults");
    if (defaults != nullptr) expect_keys(defaults, "defaults", fields);
    const json_t* tests = json_object_get(tree_.get(), "tests");
    if (!json_is_array(tests) || json_array_size(tests) == 0)
      refuse("tests", "must be a list of calls, each with user, agent, operation and expect");
    std::vector<Expected> out;
    for (std::size_t i = 0; i < json_array_size(tests); ++i) {
      path_ = "tests[" + std::to_string(i) + "]";
      expect_keys(json_array_get(tests, i), path_, fields);
      test_ = json_array_get(tests, i);
      defaults_ = defaults;
      out.push_back(read_test());
    }
    return out;
  }

 private:
  using Names = std::vector<std::string_view>;
  inline static const Names fields{"name",   "user",      "agent",      "groups",    "operation", "resource",
                                   "expect", "tenant",    "scopes",     "provider",  "model",     "issued_at",
                                   "at",     "location",  "delegation", "arguments", "client_ip", "auth_time",
                                   "acr",    "variables", "limits",     "after",     "under",     "machine"};

  [[noreturn]] void refuse(const std::string& path, const std::string& message) {
    if (text_.lines.empty())
      if (auto places = read_yaml(text_.json)) text_.lines = std::move(places->lines);
    throw Failure(place_text(file_, line_of(text_.lines, path), path, message));
  }

  void expect_keys(const json_t* object, const std::string& path, const Names& known) {
    if (!json_is_object(object)) refuse(path, "must be an object");
    const char* key = nullptr;
    json_t* value = nullptr;
    json_object_foreach(const_cast<json_t*>(object), key, value) {
      if (std::find(known.begin(), known.end(), std::string_view(key)) != known.end()) continue;
      std::string names;
      for (const auto name : known) names += (names.empty() ? "" : ", ") + std::string(name);
      refuse((path.empty() ? "" : path + ".") + key, "is not known; known are " + names);
    }
  }

  const json_t* find(const char* key) {
    const json_t* own = json_object_get(test_, key);
    where_ = (own != nullptr ? path_ : "defaults") + "." + key;
    return own != nullptr ? own : json_object_get(defaults_, key);
  }

  std::string text(const char* key) {
    const json_t* value = find(key);
    if (value == nullptr) return {};
    if (!json_is_string(value)) refuse(where_, "must be text");
    return {json_string_value(value), json_string_length(value)};
  }

  std::string needed(const char* key) {
    std::string out = text(key);
    if (out.empty()) refuse(path_, "needs \"" + std::string(key) + "\"");
    return out;
  }

  std::optional<std::vector<std::string>> texts(const char* key) {
    const json_t* list = find(key);
    if (list == nullptr) return std::nullopt;
    if (!json_is_array(list)) refuse(where_, "must be a list of texts");
    std::vector<std::string> out;
    for (std::size_t i = 0; i < json_array_size(list); ++i) {
      const json_t* item = json_array_get(list, i);
      if (!json_is_string(item)) refuse(where_ + "[" + std::to_string(i) + "]", "must be text");
      out.emplace_back(json_string_value(item), json_string_length(item));
    }
    return out;
  }

  std::optional<WallTime> time(const char* key) {
    const std::string value = text(key);
    if (value.empty()) return std::nullopt;
    const auto out = parse_rfc3339(value);
    if (!out) refuse(where_, "must be a time as 2026-12-31T00:00:00Z");
    return out;
  }

  /// Nested members as conditions name them: `filter/id`.
  void take_arguments(const json_t* object, const ArgumentPath& above, GivenCall& call) {
    const char* key = nullptr;
    json_t* value = nullptr;
    json_object_foreach(const_cast<json_t*>(object), key, value) {
      ArgumentPath path = above;
      path.emplace_back(key);
      if (json_is_object(value)) {
        take_arguments(value, path, call);
      } else if (json_is_boolean(value)) {
        (*call.arguments)[path] = {.truth = json_is_true(value)};
      } else if (json_is_string(value)) {
        (*call.arguments)[path] = {.text = std::string(json_string_value(value), json_string_length(value))};
      } else if (json_is_integer(value)) {
        (*call.arguments)[path] = {.text = std::to_string(json_integer_value(value))};
      } else {
        refuse(where_, "must hold texts, whole numbers, true and false, and objects of these");
      }
    }
  }

  GivenCall given_call() {
    GivenCall out;
    if (const json_t* arguments = find("arguments"); arguments != nullptr) {
      if (!json_is_object(arguments)) refuse(where_, "must be an object of arguments");
      out.arguments.emplace();
      take_arguments(arguments, {}, out);
    }
    if (const json_t* variables = find("variables"); variables != nullptr) {
      if (!json_is_object(variables)) refuse(where_, "must be an object of nginx's variables");
      const char* key = nullptr;
      json_t* value = nullptr;
      json_object_foreach(const_cast<json_t*>(variables), key, value) {
        if (!json_is_string(value)) refuse(where_, "must hold texts");
        out.variables[key] = json_string_value(value);
      }
    }
    if (const std::string ip = text("client_ip"); !ip.empty()) {
      if (!Network::address(ip)) refuse(where_, "must be an IP address");
      out.client_ip = ip;
    }
    out.authenticated_at = time("auth_time");
    out.acr = text("acr");
    return out;
  }

  std::optional<std::vector<std::string>> limits() {
    auto out = texts("limits");
    for (std::size_t i = 0; out && i < out->size(); ++i) {
      const auto limit = parse_limit((*out)[i]);
      if (!limit) refuse(where_ + "[" + std::to_string(i) + "]", limit.error());
      (*out)[i] = write_limit(*limit);
    }
    if (out) std::sort(out->begin(), out->end());
    return out;
  }

  std::int64_t count(const char* key) {
    const json_t* value = find(key);
    if (value == nullptr) return 0;
    const std::int64_t out = json_is_integer(value) ? json_integer_value(value) : -1;
    if (out < 0 || out > most_before) refuse(where_, "must be a number of calls, at most 1000000");
    return out;
  }

  bool flag(const char* key) {
    const json_t* value = find(key);
    if (value != nullptr && !json_is_boolean(value)) refuse(where_, "must be true or false");
    return json_is_true(value);
  }

  std::string id(const char* key) {
    std::string out = needed(key);
    if (!is_principal_id(out)) refuse(where_, "must be ISSUER|NAME; write for example company|mira");
    return out;
  }

  Expected read_test() {
    Expected out;
    out.path = path_;
    out.name = text("name");
    out.caller.machine = flag("machine");
    if (!out.caller.machine) out.caller.user = id("user");
    if (out.caller.machine && !text("user").empty()) refuse(where_, "must be left out: a machine stands for nobody");
    out.caller.agent = id("agent");
    out.caller.chain = texts("under").value_or(std::vector<std::string>());
    for (const auto& agent : out.caller.chain)
      if (!is_principal_id(agent)) refuse(where_, "must hold agents, as company|orchestrator");
    out.operation = needed("operation");
    if (!is_operation_name(out.operation)) refuse(where_, "must be NAMESPACE/OPERATION, as tickets/ticket.read");
    out.resource = text("resource");
    out.expect = needed("expect");
    if (out.expect != "allow" && out.expect != "deny" && out.expect != "rate_limited" && !reason_from(out.expect))
      refuse(where_, "must be allow, deny, rate_limited, or a reason of docs/reasons.md as agent_grant_missing");
    out.limits = limits();
    out.after = count("after");
    out.caller.groups = texts("groups").value_or(std::vector<std::string>());
    for (const auto& group : out.caller.groups)
      if (!is_principal_id(group) || group.starts_with("store|"))
        refuse(where_, "must hold groups of a token, as company|support");
    out.caller.scopes = texts("scopes");
    out.caller.provider = text("provider");
    out.caller.model = text("model");
    out.caller.issued_at = time("issued_at");
    out.ask.now = time("at").value_or(time_of("--at", options_.at).value_or(now()));
    out.ask.location = text("location");
    out.caller.call = given_call();
    const std::string tenant = text("tenant");
    out.ask.tenant = tenant.empty() ? options_.tenant : tenant;
    const std::string delegation = text("delegation");
    if (!delegation.empty() && delegation != "implicit" && delegation != "required")
      refuse(where_, "must be implicit or required");
    if (delegation == "required") out.ask.delegation = policy::DelegationMode::required;
    return out;
  }

  std::string file_;
  const TestOptions& options_;
  Yaml text_;
  json::Tree tree_;
  const json_t* test_ = nullptr;
  const json_t* defaults_ = nullptr;
  std::string path_;
  std::string where_;
};

/// What limits leave of a call that comes after others like it, all at one moment and each over before the next.
Decision after_others(Decision decision, const std::vector<policy::Charge>& charges, const Expected& test) {
  const std::int64_t now = test.ask.now.time_since_epoch().count();
  std::vector<limits::Level> levels(charges.size());
  for (std::int64_t call = 0; call <= test.after; ++call)
    for (std::size_t i = 0; i < charges.size(); ++i) {
      if (charges[i].limit->kind == LimitKind::concurrent) continue;
      const limits::Step step = limits::take(*charges[i].limit, levels[i], charges[i].amount, now);
      levels[i] = step.next;
      if (step.taken) continue;
      decision.kind = DecisionKind::rate_limited;
      decision.reason = Reason::limit_exceeded;
      decision.checks.set(Check::limit, Verdict::fail);
      return decision;
    }
  return decision;
}

std::vector<std::string> texts_of(const std::vector<policy::Charge>& charges) {
  std::vector<std::string> out;
  out.reserve(charges.size());
  for (const policy::Charge& charge : charges) out.push_back(write_limit(*charge.limit));
  std::sort(out.begin(), out.end());
  return out;
}

bool is_expected(const std::string& expect, const Decision& decision) {
  if (expect == "allow") return decision.allowed();
  if (expect == "deny") return !decision.allowed();
  return expect == to_string(decision.kind) || expect == to_string(decision.reason);
}

std::string call_text(const Expected& test) {
  std::string out = test.name.empty() ? test.path : test.name;
  out += ": " + test.caller.agent + (test.caller.machine ? "" : " for " + test.caller.user) + ", " + test.operation;
  if (!test.resource.empty()) out += " on " + test.resource;
  return out;
}

}  // namespace

int test_policy(const TestOptions& options, std::ostream& out) {
  expect_tenant(options.tenant);
  const auto tests = TableReader(options.file, options).read();
  std::vector<std::string> tenants;
  for (const auto& test : tests)
    if (std::find(tenants.begin(), tenants.end(), test.ask.tenant) == tenants.end()) tenants.push_back(test.ask.tenant);
  const PolicySource source = read_source(options.source, tenants);
  std::size_t failed = 0;
  std::vector<std::string> rows;
  for (const auto& test : tests) {
    const Asker asker(source, test.ask);
    const Answer answer = asker.ask(test.caller, test.operation, sample_of(test.resource));
    const auto charges = asker.charges(test.caller, test.operation, answer);
    const auto limits = texts_of(charges);
    const Decision decision = after_others(answer.decision, charges, test);
    const std::string reason(to_string(decision.reason));
    const bool limited_so = !test.limits || *test.limits == limits;
    const bool good = is_expected(test.expect, decision) && limited_so;
    failed += good ? 0 : 1;
    std::string got = decision.allowed() ? "allow" : std::string(to_string(decision.kind)) + " (" + reason + ")";
    if (!limited_so) got += ", with the limits [" + joined(limits) + "] instead of [" + joined(*test.limits) + "]";
    if (!answer.hangs_on.empty()) got += ", which hangs on what the test doesn't say: " + answer.hangs_on;
    if (!options.json && (!good || options.all))
      out << (good ? "good  " : "WRONG ") << printable(call_text(test)) << ": " << got
          << (good ? "" : ", expected " + test.expect) << "\n";
    JsonObject row;
    row.text("test", test.path).text_if("name", test.name).flag("good", good).text("expected", test.expect);
    row.text("decision", to_string(decision.kind)).text("reason", reason).text_if("hangs_on", answer.hangs_on);
    if (test.limits) row.list("limits", limits);
    rows.push_back(row.str());
  }
  if (options.json)
    out << JsonObject().number("tests", tests.size()).number("failed", failed).raw("results", json_array(rows)).str()
        << "\n";
  else
    out << tests.size() - failed << " of " << tests.size() << " as expected\n";
  return failed == 0 ? exit_ok : exit_denied;
}

}  // namespace agw::agwctl
