// What a compiled expression comes to for one call.
#include "agw/model/condition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "condition_program.h"

namespace agw {
namespace {

using Op = ConditionOp;

struct Scalar {
  Knowledge knowledge = Knowledge::absent;
  std::string_view text{};
  std::int64_t number = 0;
};

Truth truth_of(bool value) noexcept { return value ? Truth::yes : Truth::no; }
Truth unknown(Knowledge knowledge) noexcept { return knowledge == Knowledge::open ? Truth::open : Truth::absent; }
bool is_settled(Truth truth) noexcept { return truth == Truth::yes || truth == Truth::no; }
/// Of two that aren't settled both: what is open may still be said, what is absent stays so.
Truth unsettled(Truth one, Truth other) noexcept {
  return one == Truth::open || other == Truth::open ? Truth::open : Truth::absent;
}

/// As it is written by whoever has one way to write it: no sign but minus, no leading zero.
std::optional<std::int64_t> integer_of(std::string_view text) noexcept {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.front() == '0' && (digits.size() > 1 || text.size() > 1))) return std::nullopt;
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// Unicode's characters, not bytes.
std::int64_t size_of(std::string_view text) noexcept {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

bool matches_part(Op op, std::string_view text, std::string_view part) noexcept {
  if (op == Op::starts_with) return text.starts_with(part);
  if (op == Op::ends_with) return text.ends_with(part);
  return text.find(part) != std::string_view::npos;
}

bool compares(Op op, std::int64_t left, std::int64_t right) noexcept {
  switch (op) {
    case Op::same_number: return left == right;
    case Op::other_number: return left != right;
    case Op::less: return left < right;
    default: return left <= right;
  }
}

}  // namespace

std::string_view to_string(CallField field) noexcept {
  switch (field) {
    case CallField::method: return "method";
    case CallField::tool: return "tool";
    case CallField::operation: return "operation";
    case CallField::resource: return "resource";
    case CallField::user: return "user";
    case CallField::agent: return "agent";
    case CallField::tenant: return "tenant";
    case CallField::tier: return "tier";
    case CallField::classification: return "class";
    case CallField::risk: return "risk";
    case CallField::acr: return "acr";
    case CallField::client_ip: return "client_ip";
  }
  return "";
}

Condition::Condition(std::string text, std::unique_ptr<const Program> program)
    : text_(std::move(text)), program_(std::move(program)) {}

Condition::~Condition() = default;

const std::vector<ArgumentPath>& Condition::arguments() const noexcept { return program_->arguments; }
const std::vector<CallField>& Condition::fields() const noexcept { return program_->fields; }
const std::vector<HostVariable>& Condition::variables() const noexcept { return program_->variables; }
bool Condition::asks_authentication_age() const noexcept { return program_->asks_authentication_age; }

/// One walk over the nodes. Each node is reached once: the compiler bounds their number, and what any of them looks at.
class ConditionWalk {
 public:
  ConditionWalk(const Condition::Program& program, const Circumstances& call) : program_(program), call_(call) {}

  [[nodiscard]] Truth truth(std::uint16_t place) const;

 private:
  [[nodiscard]] Scalar scalar(std::uint16_t place) const;
  [[nodiscard]] Truth compare_texts(const ConditionNode& node) const;
  [[nodiscard]] Truth compare_numbers(const ConditionNode& node) const;
  [[nodiscard]] Truth compare_truths(const ConditionNode& node) const;
  [[nodiscard]] Truth one_of(const ConditionNode& node) const;
  [[nodiscard]] Truth in_networks(const ConditionNode& node) const;

  static Scalar bounded(const Answered<std::string_view>& answer) {
    if (answer.knowledge == Knowledge::known && answer.value.size() > Condition::longest_value) return {};
    return {answer.knowledge, answer.value};
  }
  static Scalar number_in(const Scalar& text) {
    if (text.knowledge != Knowledge::known) return text;
    const auto number = integer_of(text.text);
    if (!number) return {};
    return {Knowledge::known, {}, *number};
  }
  static Truth told(const Answered<bool>& answer) {
    return answer.knowledge == Knowledge::known ? truth_of(answer.value) : unknown(answer.knowledge);
  }
  [[nodiscard]] Scalar local(const ConditionNode& node) const {
    const auto now = call_.now();
    if (now.knowledge != Knowledge::known) return {now.knowledge};
    const LocalTime local = program_.zones[node.item]->local(now.value);
    return {Knowledge::known, {}, node.op == Op::weekday ? local.weekday : local.second};
  }

  const Condition::Program& program_;
  const Circumstances& call_;
};

Scalar ConditionWalk::scalar(std::uint16_t place) const {
  const ConditionNode& node = program_.nodes[place];
  switch (node.op) {
    case Op::text: return {Knowledge::known, program_.texts[node.item]};
    case Op::field: return bounded(call_.field(static_cast<CallField>(node.item)));
    case Op::argument_text: return bounded(call_.argument(program_.arguments[node.item]));
    case Op::variable_text: return bounded(call_.variable(program_.variables[node.item]));
    case Op::number: return {Knowledge::known, {}, node.number};
    case Op::argument_number: return number_in(bounded(call_.argument(program_.arguments[node.item])));
    case Op::variable_number: return number_in(bounded(call_.variable(program_.variables[node.item])));
    case Op::size: {
      Scalar text = scalar(node.left);
      text.number = size_of(text.text);
      return text;
    }
    case Op::weekday:
    case Op::clock: return local(node);
    case Op::authentication_age: {
      const auto age = call_.authentication_age();
      return {age.knowledge, {}, age.value.count()};
    }
    default: return {};
  }
}

Truth ConditionWalk::compare_texts(const ConditionNode& node) const {
  const Scalar left = scalar(node.left);
  const Scalar right = scalar(node.right);
  for (const Scalar* side : {&left, &right})
    if (side->knowledge == Knowledge::absent) return Truth::absent;
  for (const Scalar* side : {&left, &right})
    if (side->knowledge == Knowledge::open) return Truth::open;
  return truth_of((left.text == right.text) == (node.op == Op::same_text));
}

Truth ConditionWalk::compare_numbers(const ConditionNode& node) const {
  const Scalar left = scalar(node.left);
  const Scalar right = scalar(node.right);
  for (const Scalar* side : {&left, &right})
    if (side->knowledge == Knowledge::absent) return Truth::absent;
  for (const Scalar* side : {&left, &right})
    if (side->knowledge == Knowledge::open) return Truth::open;
  return truth_of(compares(node.op, left.number, right.number));
}

Truth ConditionWalk::compare_truths(const ConditionNode& node) const {
  const Truth left = truth(node.left);
  const Truth right = truth(node.right);
  if (!is_settled(left) || !is_settled(right)) return unsettled(left, right);
  return truth_of((left == right) == (node.op == Op::same_truth));
}

Truth ConditionWalk::one_of(const ConditionNode& node) const {
  const Scalar left = scalar(node.left);
  if (left.knowledge != Knowledge::known) return unknown(left.knowledge);
  if (node.op == Op::in_groups) return truth_of(call_.in_group(left.text));
  if (node.op == Op::in_texts) {
    const auto& list = program_.text_lists[node.item];
    return truth_of(std::find(list.begin(), list.end(), left.text) != list.end());
  }
  const auto& list = program_.number_lists[node.item];
  return truth_of(std::find(list.begin(), list.end(), left.number) != list.end());
}

Truth ConditionWalk::in_networks(const ConditionNode& node) const {
  const auto text = call_.field(CallField::client_ip);
  if (text.knowledge != Knowledge::known) return unknown(text.knowledge);
  const auto address = Network::address(text.value);
  if (!address) return Truth::absent;
  const auto& list = program_.networks[node.item];
  return truth_of(std::any_of(list.begin(), list.end(), [&](const Network& one) { return one.contains(*address); }));
}

Truth ConditionWalk::truth(std::uint16_t place) const {
  const ConditionNode& node = program_.nodes[place];
  switch (node.op) {
    case Op::constant: return truth_of(node.number != 0);
    case Op::flag: return told(call_.flag(program_.arguments[node.item]));
    case Op::has: return told(call_.has(program_.arguments[node.item]));
    case Op::variable_truth: {
      const auto value = call_.variable(program_.variables[node.item]);
      if (value.knowledge != Knowledge::known) return unknown(value.knowledge);
      return truth_of(!value.value.empty() && value.value != "0");
    }
    case Op::both:
    case Op::either: {
      // The one that settles it does so whatever the other hangs on.
      const Truth settles = node.op == Op::both ? Truth::no : Truth::yes;
      const Truth left = truth(node.left);
      if (left == settles) return left;
      const Truth right = truth(node.right);
      if (right == settles || left == right) return right;
      return is_settled(left) ? right : is_settled(right) ? left : unsettled(left, right);
    }
    case Op::negation: {
      const Truth inner = truth(node.left);
      return is_settled(inner) ? truth_of(inner == Truth::no) : inner;
    }
    case Op::same_truth:
    case Op::other_truth: return compare_truths(node);
    case Op::same_text:
    case Op::other_text: return compare_texts(node);
    case Op::same_number:
    case Op::other_number:
    case Op::less:
    case Op::at_most: return compare_numbers(node);
    case Op::in_texts:
    case Op::in_numbers:
    case Op::in_groups: return one_of(node);
    case Op::in_networks: return in_networks(node);
    case Op::within: {
      const auto now = call_.now();
      if (now.knowledge != Knowledge::known) return unknown(now.knowledge);
      return truth_of(program_.windows[node.item].contains(now.value));
    }
    case Op::starts_with:
    case Op::ends_with:
    case Op::contains: {
      const Scalar text = scalar(node.left);
      if (text.knowledge != Knowledge::known) return unknown(text.knowledge);
      return truth_of(matches_part(node.op, text.text, program_.texts[node.item]));
    }
    default: return Truth::absent;
  }
}

Truth Condition::judge(const Circumstances& circumstances) const {
  return ConditionWalk(*program_, circumstances).truth(program_->root);
}

}  // namespace agw
