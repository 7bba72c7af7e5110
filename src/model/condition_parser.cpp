// Text to program: a subset of CEL (https://github.com/google/cel-spec), every type known when it is read.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "agw/model/condition.h"
#include "agw/model/pattern.h"

#include "condition_program.h"

namespace agw {
namespace {

using Op = ConditionOp;

constexpr std::size_t most_elements = 64;

/// What an operand is. An argument or a variable is what it is compared with.
enum class Type : std::uint8_t {
  truth,
  text,
  number,
  duration,
  clock,
  weekday,
  address,
  groups,
  argument,
  variable,
  text_literal,
  list
};

std::string_view words_of(Type type) noexcept {
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

struct Literal {
  bool is_text = false;
  std::string text;
  std::int64_t number = 0;
};

struct Operand {
  Type type = Type::truth;
  std::uint16_t node = 0;
  std::size_t at = 0;  ///< where it begins in the text
  std::uint16_t item = 0;
  std::optional<CallField> field{};
  std::string text{};              ///< of a literal
  std::vector<Literal> elements{};
};

struct Failed {
  std::string message;
};

enum class Kind : std::uint8_t { end, name, number, duration, text, argument, variable, sign };

struct Token {
  Kind kind = Kind::end;
  std::size_t at = 0;
  std::string text;          ///< a name, a sign, or what quotes hold
  std::int64_t number = 0;
  std::string_view raw;
};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

constexpr std::array fields{CallField::method,         CallField::tool,  CallField::operation, CallField::resource,
                            CallField::user,           CallField::agent, CallField::tenant,    CallField::tier,
                            CallField::classification, CallField::risk,  CallField::acr,       CallField::client_ip};

constexpr std::string_view names_known =
    "method, tool, operation, resource, user, agent, tenant, tier, class, risk, groups, acr, auth_age or client_ip; an "
    "argument is written <name>, text in quotes";
constexpr std::string_view functions_known =
    "has(<name>), size(text), weekday(\"ZONE\"), time(\"ZONE\") or within(\"Mon-Fri 09:00-17:00 ZONE\")";

}  // namespace

class ConditionParser {
 public:
  ConditionParser(std::string_view text, const Condition::Compiling& compiling)
      : text_(text), compiling_(compiling), program_(std::make_unique<Condition::Program>()) {}

  Result<std::shared_ptr<const Condition>, std::string> run() {
    try {
      if (text_.empty()) throw Failed{"is empty; write for example <amount> <= 100"};
      if (text_.size() > Condition::longest)
        throw Failed{"is longer than " + std::to_string(Condition::longest) + " bytes; write a shorter one"};
      step();
      const Operand whole = either();
      if (token_.kind != Kind::end)
        refuse(token_.at, "isn't understood after what stands before it; join two with && or ||");
      program_->root = truth(whole);
    } catch (const Failed& failed) {
      return fail(failed.message);
    }
    return std::shared_ptr<const Condition>(new Condition(std::string(text_), std::move(program_)));
  }

 private:
  // --- what is wrong
  // --------------------------------------------------------------------------------------------------

  /// `has "x" at character 3, which …`
  [[noreturn]] void refuse(std::size_t at, std::string_view what) const {
    std::string_view near = text_.substr(std::min(at, text_.size()), 24);
    // A message is text: no half of a character, nothing that moves a terminal.
    const auto odd = std::find_if(near.begin(), near.end(), [](char c) { return c < 0x20 || c == 0x7F; });
    near = near.substr(0, static_cast<std::size_t>(odd - near.begin()));
    std::string out = "has ";
    if (near.empty()) {
      out += at < text_.size() ? "something" : "an end";
    } else {
      out += '"';
      out += near;
      out += '"';
    }
    out += " at character " + std::to_string(at + 1) + ", which ";
    throw Failed{out += what};
  }
  [[noreturn]] void refuse_types(std::size_t at, std::string_view sign, Type left, Type right,
                                 std::string_view form) const {
    refuse(at, "compares (" + std::string(sign) + ") " + std::string(words_of(left)) + " with " +
                   std::string(words_of(right)) + "; " + std::string(form));
  }

  // --- tokens
  // ---------------------------------------------------------------------------------------------------------

  /// `operand`: where a value may begin, `<` opens an argument's name; elsewhere it compares.
  void step(bool operand = true) {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
    token_ = Token{};
    token_.at = at_;
    if (at_ == text_.size()) return;
    const char c = text_[at_];
    if (is_digit(c) || (operand && c == '-')) return read_number();
    if (is_name_byte(c)) return read_name(Kind::name, at_);
    if (c == '"' || c == '\'') return read_text(c);
    if (operand && c == '<') return read_argument();
    if (c == '$') return read_name(Kind::variable, at_ + 1);
    token_.kind = Kind::sign;
    for (const std::string_view sign : {"&&", "||", "==", "!=", "<=", ">="})
      if (text_.substr(at_).starts_with(sign)) {
        token_.text = sign;
        at_ += 2;
        return;
      }
    static constexpr std::string_view single = "()[],.!<>";
    if (single.find(c) == std::string_view::npos)
      refuse(at_, "can't stand in a condition; known are && || ! == != < <= > >= in ( ) [ ] and names");
    token_.text = c;
    ++at_;
  }

  void read_name(Kind kind, std::size_t from) {
    std::size_t end = from;
    while (end < text_.size() && is_name_byte(text_[end])) ++end;
    if (end == from || is_digit(text_[from]))
      refuse(token_.at, "is no variable's name; write for example $office_hours");
    token_.kind = kind;
    token_.text = text_.substr(from, end - from);
    at_ = end;
  }

  void read_number() {
    std::size_t end = at_ + (text_[at_] == '-' ? 1 : 0);
    while (end < text_.size() && is_digit(text_[end])) ++end;
    const std::string_view digits = text_.substr(at_, end - at_);
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token_.number);
    if (error != std::errc() || rest != digits.data() + digits.size())
      refuse(at_, "is no whole number of 64 bits; write for example 100");
    const std::string_view plain = digits.starts_with('-') ? digits.substr(1) : digits;
    if (plain.size() > 1 && plain.front() == '0') refuse(at_, "begins with 0; write the number without it");
    token_.kind = Kind::number;
    at_ = end;
    std::size_t unit_end = at_;
    while (unit_end < text_.size() && (is_name_byte(text_[unit_end]) || text_[unit_end] == '.')) ++unit_end;
    const std::string_view unit = text_.substr(at_, unit_end - at_);
    if (unit.empty()) return;
    const std::int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86'400 : 0;
    if (seconds == 0 || token_.number < 0 || token_.number > 1'000'000'000)
      refuse(token_.at, "is no number; write a whole one, as 100, or a length of time, as 30s, 15m, 8h or 1d");
    token_.number *= seconds;
    token_.kind = Kind::duration;
    at_ = unit_end;
  }

  void read_text(char quote) {
    token_.kind = Kind::text;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == quote) {
        at_ = i + 1;
        return;
      }
      if (text_[i] != '\\') {
        token_.text += text_[i];
        continue;
      }
      static constexpr std::string_view written = "\\\"'nrt";
      static constexpr std::string_view meant = "\\\"'\n\r\t";
      const std::size_t which = ++i < text_.size() ? written.find(text_[i]) : std::string_view::npos;
      if (which == std::string_view::npos) refuse(i - 1, "escapes nothing; known are \\\\ \\\" \\' \\n \\r \\t");
      token_.text += meant[which];
    }
    refuse(token_.at, "has no closing quote; write " + std::string(1, quote) + " behind it");
  }

  void read_argument() {
    const std::size_t end = text_.find('>', at_);
    if (end == std::string_view::npos)
      refuse(at_, "has no \">\"; write an argument as <id>, or <filter/id> for a nested one");
    token_.kind = Kind::argument;
    token_.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
  }

  [[nodiscard]] bool at_sign(std::string_view sign) const { return token_.kind == Kind::sign && token_.text == sign; }
  void expect(std::string_view sign, bool operand_next) {
    if (!at_sign(sign)) refuse(token_.at, "should be \"" + std::string(sign) + "\"; write it there");
    step(operand_next);
  }

  // --- nodes
  // ----------------------------------------------------------------------------------------------------------

  std::uint16_t add(ConditionNode node) {
    if (program_->nodes.size() == Condition::most_nodes)
      throw Failed{"has more than " + std::to_string(Condition::most_nodes) +
                   " parts; write several conditions, or a list with in"};
    program_->nodes.push_back(node);
    return static_cast<std::uint16_t>(program_->nodes.size() - 1);
  }
  template <class T>
  static std::uint16_t put(std::vector<T>& list, T value) {
    list.push_back(std::move(value));
    return static_cast<std::uint16_t>(list.size() - 1);
  }
  std::uint16_t put_field(CallField field) {
    auto& known = program_->fields;
    if (std::find(known.begin(), known.end(), field) == known.end()) known.push_back(field);
    return static_cast<std::uint16_t>(field);
  }

  std::uint16_t truth(const Operand& operand) {
    switch (operand.type) {
      case Type::truth: return operand.node;
      case Type::argument: return add({.op = Op::flag, .item = operand.item});
      case Type::variable: return add({.op = Op::variable_truth, .item = operand.item});
      default:
        refuse(operand.at, "is " + std::string(words_of(operand.type)) +
                               ", where true or false is needed; compare it with something");
    }
  }

  /// As text; the operand is one, or becomes one.
  std::uint16_t text(const Operand& operand) {
    switch (operand.type) {
      case Type::argument: return add({.op = Op::argument_text, .item = operand.item});
      case Type::variable: return add({.op = Op::variable_text, .item = operand.item});
      case Type::text_literal: return add({.op = Op::text, .item = put(program_->texts, std::string(operand.text))});
      default: return operand.node;
    }
  }
  std::uint16_t number(const Operand& operand) {
    switch (operand.type) {
      case Type::argument: return add({.op = Op::argument_number, .item = operand.item});
      case Type::variable: return add({.op = Op::variable_number, .item = operand.item});
      default: return operand.node;
    }
  }

  static bool is_textual(Type type) noexcept { return type == Type::text || type == Type::text_literal; }
  static bool is_open(Type type) noexcept { return type == Type::argument || type == Type::variable; }

  /// Ids carry their issuer: one without could never be met.
  void check_id(const Operand& of, std::string_view id, std::size_t at) const {
    if (!of.field || (*of.field != CallField::user && *of.field != CallField::agent)) return;
    if (!is_principal_id(id)) refuse(at, "is no id of a user or an agent; write it with its issuer, as company|mira");
  }

  // --- the grammar
  // ----------------------------------------------------------------------------------------------------

  Operand either() {
    Operand left = both();
    while (at_sign("||")) left = joined(Op::either, left, [this] { return both(); });
    return left;
  }
  Operand both() {
    Operand left = relation();
    while (at_sign("&&")) left = joined(Op::both, left, [this] { return relation(); });
    return left;
  }
  template <class Next>
  Operand joined(Op op, const Operand& left, Next next) {
    step();
    const std::uint16_t one = truth(left);
    const std::uint16_t other = truth(next());
    return {.type = Type::truth, .node = add({.op = op, .left = one, .right = other}), .at = left.at};
  }

  Operand relation() {
    Operand left = unary();
    const bool in = token_.kind == Kind::name && token_.text == "in";
    static constexpr std::array<std::string_view, 6> signs{"==", "!=", "<", "<=", ">", ">="};
    if (!in && (token_.kind != Kind::sign || std::find(signs.begin(), signs.end(), token_.text) == signs.end()))
      return left;
    const std::string sign = token_.text;
    step();
    const Operand right = unary();
    Operand out{.type = Type::truth, .node = in ? member(left, right) : compared(sign, left, right), .at = left.at};
    if (token_.kind == Kind::sign && std::find(signs.begin(), signs.end(), token_.text) != signs.end())
      refuse(token_.at, "compares what was compared already; write two comparisons and && between them");
    return out;
  }

  /// `<` and `>` differ in their sides only.
  std::uint16_t compared(const std::string& sign, const Operand& left, const Operand& right) {
    const bool equality = sign == "==" || sign == "!=";
    const bool same = sign == "==";
    const auto ordered = [&](std::uint16_t one, std::uint16_t other) {
      if (equality) return add({.op = same ? Op::same_number : Op::other_number, .left = one, .right = other});
      const bool swapped = sign.front() == '>';
      return add({.op = sign.size() == 1 ? Op::less : Op::at_most,
                  .left = swapped ? other : one,
                  .right = swapped ? one : other});
    };
    const Type a = left.type;
    const Type b = right.type;
    const auto pair = [&](Type one) { return (a == one && (b == one || is_open(b))) || (b == one && is_open(a)); };
    if (a == Type::clock || b == Type::clock || a == Type::weekday || b == Type::weekday)
      return compared_time(sign, left, right, ordered);
    if (a == Type::address || b == Type::address)
      refuse(left.at, "compares an address; write client_ip in \"10.0.0.0/8\"");
    if (pair(Type::number)) return ordered(number(left), number(right));
    if (a == Type::duration && b == Type::duration) return ordered(left.node, right.node);
    if (!equality && is_open(a) && is_open(b)) return ordered(number(left), number(right));
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

  template <class Ordered>
  std::uint16_t compared_time(const std::string& sign, const Operand& left, const Operand& right, Ordered ordered) {
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
      refuse(left.at, "puts days of the week in an order; write weekday(\"ZONE\") in [\"Mon\", \"Tue\"]");
    const std::uint16_t one = side(left);
    return ordered(one, side(right));
  }

  std::int64_t moment(const Operand& at, std::string_view text, Type type) const {
    if (type == Type::weekday) {
      if (const auto day = parse_weekday(text)) return *day;
      refuse(at.at, "is no day of the week; write Mon, Tue, Wed, Thu, Fri, Sat or Sun");
    }
    if (const auto second = parse_clock(text)) return *second;
    refuse(at.at, "is no time of the day; write for example \"09:00\"");
  }

  std::uint16_t member(const Operand& left, const Operand& right) {
    if (right.type == Type::groups) {
      if (!is_textual(left.type) && !is_open(left.type))
        refuse_types(left.at, "in", left.type, right.type, "write a group in quotes, as \"company|support\" in groups");
      if (left.type == Type::text_literal && !is_principal_id(left.text))
        refuse(left.at, "is no group; write it with its issuer, as \"company|support\" in groups");
      return add({.op = Op::in_groups, .left = text(left)});
    }
    if (left.type == Type::address) return networks(right);
    if (right.type != Type::list)
      refuse(right.at, "is no list; write for example tool in [\"a\", \"b\"] or \"company|support\" in groups");
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
    refuse(left.at, "is " + std::string(words_of(left.type)) + ", and the list holds " + (texts ? "text" : "numbers") +
                        "; write a list of the same");
  }

  std::uint16_t networks(const Operand& right) {
    std::vector<Network> list;
    const auto take = [&](const std::string& text) {
      const auto network = Network::parse(text);
      if (!network)
        refuse(right.at,
               "names no network of addresses; write for example \"10.0.0.0/8\" or \"2001:db8::/32\", without "
               "bits behind the prefix");
      list.push_back(*network);
    };
    if (right.type == Type::text_literal) {
      take(right.text);
    } else {
      if (right.type != Type::list || !right.elements.front().is_text)
        refuse(right.at, "is no list of networks; write for example client_ip in [\"10.0.0.0/8\", \"2001:db8::/32\"]");
      for (const auto& each : right.elements) take(each.text);
    }
    return add({.op = Op::in_networks, .item = put(program_->networks, std::move(list))});
  }

  Operand unary() {
    if (!at_sign("!")) return postfix();
    const std::size_t at = token_.at;
    deeper(at);
    step();
    const std::uint16_t inner = truth(unary());
    --depth_;
    return {.type = Type::truth, .node = add({.op = Op::negation, .left = inner}), .at = at};
  }

  void deeper(std::size_t at) {
    if (++depth_ > Condition::deepest)
      refuse(at, "lies deeper than " + std::to_string(Condition::deepest) + " brackets; write it flatter");
  }

  Operand postfix() {
    Operand out = primary();
    while (at_sign(".")) {
      step(false);
      static constexpr std::array methods{std::pair("startsWith", Op::starts_with),
                                          std::pair("endsWith", Op::ends_with), std::pair("contains", Op::contains)};
      const auto method =
          std::find_if(methods.begin(), methods.end(), [&](const auto& each) { return token_.text == each.first; });
      if (token_.kind != Kind::name || method == methods.end())
        refuse(token_.at, "is unknown; write startsWith(\"…\"), endsWith(\"…\") or contains(\"…\")");
      if (!is_textual(out.type) && !is_open(out.type))
        refuse(out.at, "is " + std::string(words_of(out.type)) + ", and only text has parts; write it of text");
      step(false);
      expect("(", true);
      if (token_.kind != Kind::text)
        refuse(token_.at, "should be text in quotes; write for example startsWith(\"T-\")");
      const std::uint16_t part = put(program_->texts, token_.text);
      step(false);
      expect(")", false);
      const std::uint16_t whole = text(out);
      out = {.type = Type::truth, .node = add({.op = method->second, .left = whole, .item = part}), .at = out.at};
    }
    return out;
  }

  Operand primary() {
    const Token token = token_;
    Operand out{.at = token.at};
    switch (token.kind) {
      case Kind::end: refuse(token.at, "comes too early; write a name, an argument or a value there");
      case Kind::number:
        step(false);
        out.type = Type::number;
        out.node = add({.op = Op::number, .number = token.number});
        return out;
      case Kind::duration:
        step(false);
        out.type = Type::duration;
        out.node = add({.op = Op::number, .number = token.number});
        return out;
      case Kind::text:
        step(false);
        out.type = Type::text_literal;
        out.text = token.text;
        return out;
      case Kind::argument:
        step(false);
        out.type = Type::argument;
        out.item = argument(token);
        return out;
      case Kind::variable:
        step(false);
        out.type = Type::variable;
        out.item = variable(token);
        return out;
      case Kind::name: return name(token);
      case Kind::sign: break;
    }
    if (token.text == "(") {
      deeper(token.at);
      step();
      out = either();
      --depth_;
      expect(")", false);
      return out;
    }
    if (token.text == "[") return list();
    refuse(token.at, "stands where a value is needed; write a name, an argument or a value");
  }

  Operand list() {
    Operand out{.type = Type::list, .at = token_.at};
    step();
    while (true) {
      if (token_.kind != Kind::text && token_.kind != Kind::number)
        refuse(token_.at, "can't be in a list; write texts in quotes, or numbers");
      if (out.elements.size() == most_elements)
        refuse(out.at, "is a list of more than " + std::to_string(most_elements) + "; write two, with || between them");
      out.elements.push_back({token_.kind == Kind::text, token_.text, token_.number});
      if (out.elements.front().is_text != out.elements.back().is_text)
        refuse(token_.at, "is of another type than what stands before it; write texts alone, or numbers alone");
      step(false);
      if (!at_sign(",")) break;
      step();
    }
    expect("]", false);
    return out;
  }

  std::uint16_t argument(const Token& token) {
    ArgumentPath path;
    for (std::string_view rest = token.text;;) {
      const std::size_t slash = rest.find('/');
      const std::string_view part = rest.substr(0, slash);
      if (part.empty() || part.find_first_of("< ") != std::string_view::npos)
        refuse(token.at, "is no argument's name; write <id>, or <filter/id> for a nested one");
      path.emplace_back(part);
      if (slash == std::string_view::npos) break;
      rest.remove_prefix(slash + 1);
    }
    auto& known = program_->arguments;
    const auto found = std::find(known.begin(), known.end(), path);
    if (found != known.end()) return static_cast<std::uint16_t>(found - known.begin());
    return put(known, std::move(path));
  }

  std::uint16_t variable(const Token& token) {
    if (!compiling_.variable)
      refuse(token.at, "is a variable of nginx, which only require in its configuration can ask for; write it there");
    auto& known = program_->variables;
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == token.text; });
    if (found != known.end()) return static_cast<std::uint16_t>(found - known.begin());
    const auto handle = compiling_.variable(token.text);
    if (!handle) refuse(token.at, handle.error());
    return put(known, HostVariable{token.text, *handle});
  }

  Operand name(const Token& token) {
    step(false);
    Operand out{.at = token.at};
    if (at_sign("(")) return call(token);
    if (token.text == "true" || token.text == "false") {
      out.node = add({.op = Op::constant, .number = token.text == "true" ? 1 : 0});
      return out;
    }
    if (token.text == "groups") {
      out.type = Type::groups;
      return out;
    }
    if (token.text == "auth_age") {
      program_->asks_authentication_age = true;
      out.type = Type::duration;
      out.node = add({.op = Op::authentication_age});
      return out;
    }
    for (const CallField field : fields) {
      if (to_string(field) != token.text) continue;
      out.field = field;
      if (field == CallField::client_ip) {
        out.type = Type::address;
        static_cast<void>(put_field(field));
      } else {
        out.type = Type::text;
        out.node = add({.op = Op::field, .item = put_field(field)});
      }
      return out;
    }
    refuse(token.at, "is no known name; write " + std::string(names_known));
  }

  Operand call(const Token& token) {
    Operand out{.at = token.at};
    expect("(", true);
    const Token inner = token_;
    if (token.text == "size") {
      deeper(token.at);
      const Operand of = unary();
      --depth_;
      if (!is_textual(of.type) && !is_open(of.type))
        refuse(of.at, "is " + std::string(words_of(of.type)) + ", and size counts text; write size(<name>)");
      expect(")", false);
      const std::uint16_t whole = text(of);
      out.type = Type::number;
      out.node = add({.op = Op::size, .left = whole});
      return out;
    }
    if (token.text == "has") {
      if (inner.kind != Kind::argument) refuse(inner.at, "can't be asked for; write has(<name>)");
      step(false);
      expect(")", false);
      out.node = add({.op = Op::has, .item = argument(inner)});
      return out;
    }
    const bool within = token.text == "within";
    if (!within && token.text != "weekday" && token.text != "time")
      refuse(token.at, "is no known function; write " + std::string(functions_known));
    if (inner.kind != Kind::text) refuse(inner.at, "should be text in quotes; write " + std::string(functions_known));
    step(false);
    expect(")", false);
    if (within) {
      auto window = Window::parse(inner.text);
      if (!window) refuse(inner.at, window.error());
      out.node = add({.op = Op::within, .item = put(program_->windows, *std::move(window))});
      return out;
    }
    auto zone = TimeZone::find(inner.text);
    if (!zone) refuse(inner.at, "is an unknown time zone; write for example \"Europe/Berlin\"");
    const bool day = token.text == "weekday";
    out.type = day ? Type::weekday : Type::clock;
    out.node = add({.op = day ? Op::weekday : Op::clock, .item = put(program_->zones, std::move(zone))});
    return out;
  }

  std::string_view text_;
  const Condition::Compiling& compiling_;
  std::unique_ptr<Condition::Program> program_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  Token token_;
};

Result<std::shared_ptr<const Condition>, std::string> Condition::compile(std::string_view text,
                                                                         const Compiling& compiling) {
  return ConditionParser(text, compiling).run();
}

}  // namespace agw
