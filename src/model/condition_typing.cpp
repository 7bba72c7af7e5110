#include <algorithm>

#include "agw/model/pattern.h"

#include "condition_parser.h"

namespace agw {

std::string_view ConditionParser::words_of(Type type) noexcept {
  switch (type) {
    case Type::truth: return "true or false";
    case Type::text:
    case Type::text_literal: return "text";
    case Type::number: return "a number";
    case Type::duration: return "a length of time";
    case Type::clock: return "a time of the day";
    case Type::weekday: return "a day of the week";
    case Type::address: return "an address";
    case Type::groups: return "a list of groups";
    case Type::argument: return "an argument";
    case Type::variable: return "a variable";
    case Type::list: return "a list";
  }
  return "";
}

void ConditionParser::refuse_types(std::size_t at, std::string_view sign, Type left, Type right,
                                   std::string_view form) const {
  lexer_.refuse(at, "compares (" + std::string(sign) + ") " + std::string(words_of(left)) + " with " +
                        std::string(words_of(right)) + "; " + std::string(form));
}

std::uint16_t ConditionParser::add(ConditionNode node) {
  if (program_->nodes.size() == Condition::most_nodes)
    throw ConditionError{"has more than " + std::to_string(Condition::most_nodes) +
                         " parts; write several conditions, or a list with in"};
  program_->nodes.push_back(node);
  return static_cast<std::uint16_t>(program_->nodes.size() - 1);
}

std::uint16_t ConditionParser::put_field(CallField field) {
  auto& known = program_->fields;
  if (std::find(known.begin(), known.end(), field) == known.end()) known.push_back(field);
  return static_cast<std::uint16_t>(field);
}

std::uint16_t ConditionParser::truth(const Operand& operand) {
  switch (operand.type) {
    case Type::truth: return operand.node;
    case Type::argument: return add({.op = Op::flag, .item = operand.item});
    case Type::variable: return add({.op = Op::variable_truth, .item = operand.item});
    default:
      lexer_.refuse(operand.at, "is " + std::string(words_of(operand.type)) +
                                    ", where true or false is needed; compare it with something");
  }
}

std::uint16_t ConditionParser::text(const Operand& operand) {
  switch (operand.type) {
    case Type::argument: return add({.op = Op::argument_text, .item = operand.item});
    case Type::variable: return add({.op = Op::variable_text, .item = operand.item});
    case Type::text_literal: return add({.op = Op::text, .item = put(program_->texts, std::string(operand.text))});
    default: return operand.node;
  }
}

std::uint16_t ConditionParser::number(const Operand& operand) {
  switch (operand.type) {
    case Type::argument: return add({.op = Op::argument_number, .item = operand.item});
    case Type::variable: return add({.op = Op::variable_number, .item = operand.item});
    default: return operand.node;
  }
}

void ConditionParser::check_id(const Operand& of, std::string_view id, std::size_t at) const {
  if (!of.field || (*of.field != CallField::user && *of.field != CallField::agent)) return;
  if (!is_principal_id(id))
    lexer_.refuse(at, "is no id of a user or an agent; write it with its issuer, as company|mira");
}

std::uint16_t ConditionParser::ordered(const std::string& sign, std::uint16_t one, std::uint16_t other) {
  if (sign == "==") return add({.op = Op::same_number, .left = one, .right = other});
  if (sign == "!=") return add({.op = Op::other_number, .left = one, .right = other});
  const bool swapped = sign.front() == '>';
  return add(
      {.op = sign.size() == 1 ? Op::less : Op::at_most, .left = swapped ? other : one, .right = swapped ? one : other});
}

std::uint16_t ConditionParser::compared(const std::string& sign, const Operand& left, const Operand& right) {
  const bool equality = sign == "==" || sign == "!=";
  const bool same = sign == "==";
  const Type a = left.type;
  const Type b = right.type;
  const auto pair = [&](Type one) { return (a == one && (b == one || is_open(b))) || (b == one && is_open(a)); };
  if (a == Type::clock || b == Type::clock || a == Type::weekday || b == Type::weekday)
    return compared_time(sign, left, right);
  if (a == Type::address || b == Type::address)
    lexer_.refuse(left.at, "compares an address; write client_ip in \"10.0.0.0/8\"");
  if (pair(Type::number)) return ordered(sign, number(left), number(right));
  if (a == Type::duration && b == Type::duration) return ordered(sign, left.node, right.node);
  if (!equality && is_open(a) && is_open(b)) return ordered(sign, number(left), number(right));
  if (a == Type::duration || b == Type::duration)
    refuse_types(left.at, sign, a, b, "write a length of time as 30s, 15m, 8h or 1d");
  if (equality && pair(Type::truth))
    return add({.op = same ? Op::same_truth : Op::other_truth, .left = truth(left), .right = truth(right)});
  const auto text_like = [](Type type) { return is_textual(type) || is_open(type); };
  if (equality && text_like(a) && text_like(b)) {
    if (b == Type::text_literal) check_id(left, right.text, right.at);
    if (a == Type::text_literal) check_id(right, left.text, left.at);
    return add({.op = same ? Op::same_text : Op::other_text, .left = text(left), .right = text(right)});
  }
  if (text_like(a) && text_like(b))
    refuse_types(left.at, sign, a, b, "text is compared with == and != only; write a number without quotes");
  if (a == Type::list || b == Type::list || a == Type::groups || b == Type::groups)
    refuse_types(left.at, sign, a, b, "write in, as tool in [\"a\", \"b\"] or \"company|support\" in groups");
  refuse_types(left.at, sign, a, b, "compare two of the same type; numbers are written without quotes");
}

std::uint16_t ConditionParser::compared_time(const std::string& sign, const Operand& left, const Operand& right) {
  const bool days = left.type == Type::weekday || right.type == Type::weekday;
  const Type wanted = days ? Type::weekday : Type::clock;
  const auto side = [&](const Operand& operand) {
    if (operand.type == wanted) return operand.node;
    if (operand.type != Type::text_literal)
      refuse_types(left.at, sign, left.type, right.type,
                   days ? "write a day as \"Mon\"" : "write a time of the day as \"09:00\"");
    return add({.op = Op::number, .number = moment(operand, operand.text, wanted)});
  };
  if (days && sign != "==" && sign != "!=")
    lexer_.refuse(left.at, "puts days of the week in an order; write weekday(\"ZONE\") in [\"Mon\", \"Tue\"]");
  const std::uint16_t one = side(left);
  return ordered(sign, one, side(right));
}

std::int64_t ConditionParser::moment(const Operand& at, std::string_view text, Type type) const {
  if (type == Type::weekday) {
    if (const auto day = parse_weekday(text)) return *day;
    lexer_.refuse(at.at, "is no day of the week; write Mon, Tue, Wed, Thu, Fri, Sat or Sun");
  }
  if (const auto second = parse_clock(text)) return *second;
  lexer_.refuse(at.at, "is no time of the day; write for example \"09:00\"");
}

std::uint16_t ConditionParser::member(const Operand& left, const Operand& right) {
  if (right.type == Type::groups) {
    if (!is_textual(left.type) && !is_open(left.type))
      refuse_types(left.at, "in", left.type, right.type, "write a group in quotes, as \"company|support\" in groups");
    if (left.type == Type::text_literal && !is_principal_id(left.text))
      lexer_.refuse(left.at, "is no group; write it with its issuer, as \"company|support\" in groups");
    return add({.op = Op::in_groups, .left = text(left)});
  }
  if (left.type == Type::address) return networks(right);
  if (right.type != Type::list)
    lexer_.refuse(right.at, "is no list; write for example tool in [\"a\", \"b\"] or \"company|support\" in groups");
  const bool texts = right.elements.front().is_text;
  if (left.type == Type::weekday && texts) {
    std::vector<std::int64_t> list;
    list.reserve(right.elements.size());
    for (const auto& each : right.elements) list.push_back(moment(right, each.text, Type::weekday));
    return add({.op = Op::in_numbers, .left = left.node, .item = put(program_->number_lists, std::move(list))});
  }
  if (texts && (is_textual(left.type) || is_open(left.type))) {
    std::vector<std::string> list;
    for (const auto& each : right.elements) {
      check_id(left, each.text, right.at);
      list.push_back(each.text);
    }
    return add({.op = Op::in_texts, .left = text(left), .item = put(program_->text_lists, std::move(list))});
  }
  if (!texts && (left.type == Type::number || is_open(left.type))) {
    std::vector<std::int64_t> list;
    list.reserve(right.elements.size());
    for (const auto& each : right.elements) list.push_back(each.number);
    return add({.op = Op::in_numbers, .left = number(left), .item = put(program_->number_lists, std::move(list))});
  }
  lexer_.refuse(left.at, "is " + std::string(words_of(left.type)) + ", and the list holds " +
                             (texts ? "text" : "numbers") + "; write a list of the same");
}

std::uint16_t ConditionParser::networks(const Operand& right) {
  std::vector<Network> list;
  const auto take = [&](const std::string& text) {
    const auto network = Network::parse(text);
    if (!network)
      lexer_.refuse(right.at,
                    "names no network of addresses; write for example \"10.0.0.0/8\" or \"2001:db8::/32\", without "
                    "bits behind the prefix");
    list.push_back(*network);
  };
  if (right.type == Type::text_literal) {
    take(right.text);
  } else {
    if (right.type != Type::list || !right.elements.front().is_text)
      lexer_.refuse(right.at,
                    "is no list of networks; write for example client_ip in [\"10.0.0.0/8\", \"2001:db8::/32\"]");
    for (const auto& each : right.elements) take(each.text);
  }
  return add({.op = Op::in_networks, .item = put(program_->networks, std::move(list))});
}

}  // namespace agw
