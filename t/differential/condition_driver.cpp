// What conditions come to, line by line: `C JSON` of a text and a call answers yes, no, absent, or `!` and what is
// wrong; `Z ZONE SECONDS` the offset of a zone's clocks at that moment.
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "agw/json/tree.h"
#include "agw/model/condition.h"
#include "agw/model/time_zone.h"

namespace {

using namespace agw;
using Text = Answered<std::string_view>;

class Call final : public Circumstances {
 public:
  explicit Call(const json_t* call) : call_(call) {
    const json_t* moment = json_object_get(call, "now");
    if (json_is_integer(moment)) now_ = from_unix(json_integer_value(moment));
  }
  [[nodiscard]] Text field(CallField field) const override {
    return text(json_object_get(call_, std::string(to_string(field)).c_str()));
  }
  [[nodiscard]] Text argument(const ArgumentPath& path) const override { return text(find(path)); }
  [[nodiscard]] Answered<bool> flag(const ArgumentPath& path) const override {
    const json_t* value = find(path);
    return json_is_boolean(value) ? Answered<bool>::known(json_is_true(value)) : Answered<bool>{};
  }
  [[nodiscard]] Answered<bool> has(const ArgumentPath& path) const override {
    return Answered<bool>::known(find(path) != nullptr);
  }
  [[nodiscard]] Text variable(const HostVariable&) const override { return {}; }
  [[nodiscard]] bool in_group(std::string_view group) const override {
    const json_t* groups = json_object_get(call_, "groups");
    for (std::size_t i = 0; i < json_array_size(groups); ++i)
      if (group == json_string_value(json_array_get(groups, i))) return true;
    return false;
  }
  [[nodiscard]] Answered<Seconds> authentication_age() const override {
    const json_t* age = json_object_get(call_, "auth_age");
    return json_is_integer(age) ? Answered<Seconds>::known(Seconds(json_integer_value(age))) : Answered<Seconds>{};
  }
  [[nodiscard]] Answered<WallTime> now() const override { return Answered<WallTime>::known(now_); }

 private:
  [[nodiscard]] const json_t* find(const ArgumentPath& path) const {
    const json_t* here = json_object_get(call_, "args");
    for (const auto& part : path) here = json_object_get(here, part.c_str());
    return here;
  }
  [[nodiscard]] Text text(const json_t* value) const {
    if (json_is_string(value)) return Text::known({json_string_value(value), json_string_length(value)});
    if (!json_is_integer(value)) return {};
    // Kept for as long as the call: a condition may compare two.
    return Text::known(digits_[value] = std::to_string(json_integer_value(value)));
  }

  const json_t* call_;
  WallTime now_{};
  mutable std::map<const json_t*, std::string> digits_;
};

std::string judged(const json_t* line) {
  const auto condition = Condition::compile(json_string_value(json_object_get(line, "text")));
  if (!condition) return "!" + condition.error();
  switch ((*condition)->judge(Call(json_object_get(line, "call")))) {
    case Truth::yes: return "yes";
    case Truth::no: return "no";
    case Truth::absent: return "absent";
    case Truth::open: break;
  }
  return "open";
}

std::string offset(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string name;
  std::int64_t seconds = 0;
  words >> name >> seconds;
  const auto zone = TimeZone::find(name);
  return zone ? std::to_string(zone->offset(from_unix(seconds))) : "-";
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const std::string_view rest = std::string_view(line).substr(std::min<std::size_t>(line.size(), 2));
    if (line.starts_with("Z ")) {
      std::cout << offset(rest) << "\n";
      continue;
    }
    const json::Tree root = json::read_tree(rest);
    std::cout << (root ? judged(root.get()) : "!no JSON") << "\n";
  }
  return 0;
}
