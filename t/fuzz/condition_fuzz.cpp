// A condition as a policy or a configuration writes it, a window, and the file of a time zone.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/model/condition.h"
#include "agw/model/window.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;
using Text = Answered<std::string_view>;

/// A call of which everything is there, or nothing, or nothing is said.
class Call final : public Circumstances {
 public:
  Call(Knowledge knowledge, std::string_view text) : knowledge_(knowledge), text_(text) {}
  [[nodiscard]] Text field(CallField) const override { return {knowledge_, text_}; }
  [[nodiscard]] Text argument(const ArgumentPath&) const override { return {knowledge_, text_}; }
  [[nodiscard]] Answered<bool> flag(const ArgumentPath&) const override { return {knowledge_, text_.size() % 2 == 0}; }
  [[nodiscard]] Answered<bool> has(const ArgumentPath&) const override { return {knowledge_, true}; }
  [[nodiscard]] Text variable(const HostVariable&) const override { return {knowledge_, text_}; }
  [[nodiscard]] bool in_group(std::string_view group) const override { return group == text_; }
  [[nodiscard]] Answered<Seconds> authentication_age() const override { return {knowledge_, Seconds(60)}; }
  [[nodiscard]] Answered<WallTime> now() const override { return {knowledge_, from_unix(1'800'000'000)}; }

 private:
  Knowledge knowledge_;
  std::string_view text_;
};

void check_condition(std::string_view text) {
  Condition::Compiling compiling;
  compiling.variable = [](const std::string&) -> Result<std::intptr_t, std::string> { return std::intptr_t{1}; };
  const auto condition = Condition::compile(text, compiling);
  if (!condition) {
    expect(!condition.error().empty(), "a refusal says why");
    for (const char c : condition.error()) expect(static_cast<unsigned char>(c) >= 0x20, "a refusal moves no terminal");
    return;
  }
  expect((*condition)->text() == text, "its text is what was written");
  expect(text.size() <= Condition::longest, "it is bounded");
  for (const auto& sample : {std::string(), std::string("a"), std::string("100"), std::string(text.substr(0, 50))})
    expect((*condition)->judge(Call(Knowledge::known, sample)) != Truth::open, "what everybody has said isn't open");
  const Truth absent = (*condition)->judge(Call(Knowledge::absent, ""));
  const Truth open = (*condition)->judge(Call(Knowledge::open, ""));
  expect(absent != Truth::open, "what is absent isn't open");
  // What settles it settles it whatever the rest hangs on.
  const bool settled = absent == Truth::yes || absent == Truth::no;
  const bool settled_open = open == Truth::yes || open == Truth::no;
  expect(settled == settled_open && (!settled || absent == open), "absent and open are told apart by name alone");
  // A denial of it is as unsettled as it is, and settled the other way.
  const auto denial = Condition::compile("!(" + std::string(text) + ")", compiling);
  if (!denial) return;
  for (const Knowledge knowledge : {Knowledge::known, Knowledge::absent, Knowledge::open}) {
    const Call call(knowledge, "100");
    const Truth truth = (*condition)->judge(call);
    const Truth other = truth == Truth::yes ? Truth::no : truth == Truth::no ? Truth::yes : truth;
    expect((*denial)->judge(call) == other, "a denial is the opposite, or as unsettled");
  }
}

void check_window(std::string_view text) {
  const auto window = Window::parse(text);
  if (!window) return;
  expect(window->text() == text, "a window's text is what was written");
  // Always the same answer, whatever was asked before.
  const WallTime moment = from_unix(1'800'000'000);
  const bool open = window->contains(moment);
  static_cast<void>(window->contains(from_unix(0)));
  expect(window->contains(moment) == open, "a window remembers nothing");
}

void check_zone(std::string_view bytes) {
  const auto zone = TimeZone::parse("fuzz", bytes);
  if (!zone) {
    expect(!zone.error().empty(), "a refusal says why");
    return;
  }
  for (const std::int64_t at :
       {std::int64_t{-62'135'596'800}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1'800'000'000},
        std::int64_t{4'102'444'800}, std::int64_t{253'402'300'799}}) {
    const LocalTime local = zone->local(from_unix(at));
    expect(local.weekday >= 0 && local.weekday < 7, "a day of the week is one of seven");
    expect(local.second >= 0 && local.second < 86'400, "a second of the day is one");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("TZif")) {
    check_zone(text);
  } else {
    check_condition(text);
    check_window(text);
  }
  return 0;
}
