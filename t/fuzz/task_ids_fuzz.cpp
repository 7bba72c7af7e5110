// Ids of tasks in what a server sends. The input's first byte says what is answered, the rest is the message.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/json/document.h"
#include "agw/response/task_ids.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;
using response::TaskAnswer;

constexpr std::string_view relation = "io.modelcontextprotocol/related-task";

/// Ids that begin with `mine` are the caller's.
class Names final : public response::TaskNames {
 public:
  std::optional<std::string> known(std::string_view id) override {
    return id.starts_with("mine") ? std::optional("known:" + std::string(id)) : std::nullopt;
  }
  std::string made(std::string_view id) override { return id.size() > 20 ? std::string() : "made:" + std::string(id); }
  std::string nobodys(std::string_view) override { return "nobody"; }
  bool lists(std::string_view id) override { return id != "mine, hidden"; }
};

json::Limits lenient() {
  json::Limits limits;
  limits.keys_depth = 6;
  limits.any_values = true;
  return limits;
}

bool is_known(const std::optional<json::Value>& id) {
  return id && id->is(json::Kind::string) && id->text().starts_with("known:mine");
}

/// Whatever still belongs to a task belongs to one of the caller's.
void check_relation(const std::optional<json::Value>& holder) {
  const auto found = holder ? holder->at({"_meta", relation}) : std::nullopt;
  if (found) expect(is_known(found->member("taskId")), "what a message belongs to is the caller's");
}

void check_result(const json::Value& result, TaskAnswer what) {
  check_relation(result);
  if (what == TaskAnswer::relation) return;
  const auto task = result.member("task");
  const auto named = [](const std::optional<json::Value>& id) {
    return id && (id->text().starts_with("made:") || id->text().starts_with("known:") || id->text() == "nobody");
  };
  if (task && task->is(json::Kind::object)) expect(named(task->member("taskId")), "no id of the server's is left");
  if (what == TaskAnswer::creation) return;
  check_relation(result.member("result"));
  if (const auto id = result.member("taskId")) expect(named(id), "no id of the server's is left");
  if (const auto list = result.member("tasks"))
    for (const json::Value item : *list) {
      const auto id = item.member("taskId");
      expect(is_known(id) && id->text() != "known:mine, hidden", "a list has what is the caller's and may be seen");
    }
}

void check(std::string_view text, TaskAnswer what) {
  json::Document document;
  const auto root = document.read(text, lenient());
  expect(root.has_value(), "what goes on is JSON");
  const auto method = root->member("method");
  if (!method) {
    const auto result = root->member("result");
    if (result && result->is(json::Kind::object)) check_result(*result, what);
    return;
  }
  const auto params = root->member("params");
  if (!params || !params->is(json::Kind::object)) return;
  if (!method->is(json::Kind::string)) return;
  check_relation(params);
  if (method->text() == "notifications/tasks" || method->text() == "notifications/tasks/status") {
    expect(is_known(params->member("taskId")), "nobody hears of others' tasks");
    check_relation(params->member("result"));
  }
  const auto agreed = method->text() == "notifications/subscriptions/acknowledged"
                          ? params->at({"notifications", "taskIds"})
                          : std::nullopt;
  if (agreed && agreed->is(json::Kind::array))
    for (const json::Value id : *agreed) expect(is_known(id), "nor follows them");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto what = static_cast<TaskAnswer>(data[0] % 3U);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  json::Document document;
  const auto root = document.read(input, lenient());
  if (!root || !root->is(json::Kind::object)) return 0;
  Names names;
  response::Splices splices;
  response::Count count;
  if (response::edit_task_ids(*root, input, what, names, splices, count)) return 0;
  const auto edited = splices.apply(input);
  expect(edited.has_value(), "its changes agree");
  if (splices.empty()) expect(*edited == input, "what doesn't change stays as it is");
  if (!splices.empty()) expect(response::may_hold(response::tasks, input), "a look at the bytes finds it");
  if (!edited->empty()) check(*edited, what);
  return 0;
}
