#include "condition_parser.h"

#include <algorithm>
#include <array>

namespace agw {
namespace {

constexpr std::size_t most_elements = 64;

constexpr std::array fields{CallField::method,         CallField::tool,  CallField::operation, CallField::resource,
                            CallField::user,           CallField::agent, CallField::tenant,    CallField::tier,
                            CallField::classification, CallField::risk,  CallField::acr,       CallField::client_ip};

constexpr std::string_view names_known =
    "method, tool, operation, resource, user, agent, tenant, tier, class, risk, groups, acr, auth_age or client_ip; an "
    "argument is written <name>, text in quotes";
constexpr std::string_view functions_known =
    "has(<name>), size(text), weekday(\"ZONE\"), time(\"ZONE\") or within(\"Mon-Fri 09:00-17:00 ZONE\")";

}  // namespace

Result<std::shared_ptr<const Condition>, std::string> ConditionParser::run() {
  try {
    if (lexer_.text().empty()) throw ConditionError{"is empty; write for example <amount> <= 100"};
    if (lexer_.text().size() > Condition::longest)
      throw ConditionError{"is longer than " + std::to_string(Condition::longest) + " bytes; write a shorter one"};
    lexer_.step();
    const Operand whole = either();
    if (lexer_.token().kind != ConditionWord::end)
      lexer_.refuse(lexer_.token().at, "isn't understood after what stands before it; join two with && or ||");
    program_->root = truth(whole);
  } catch (const ConditionError& failed) {
    return fail(failed.message);
  }
  return std::shared_ptr<const Condition>(new Condition(std::string(lexer_.text()), std::move(program_)));
}

ConditionParser::Operand ConditionParser::either() {
  Operand left = both();
  while (lexer_.at_sign("||")) left = joined(Op::either, left, [this] { return both(); });
  return left;
}

ConditionParser::Operand ConditionParser::both() {
  Operand left = relation();
  while (lexer_.at_sign("&&")) left = joined(Op::both, left, [this] { return relation(); });
  return left;
}

template <class Next>
ConditionParser::Operand ConditionParser::joined(Op op, const Operand& left, Next next) {
  lexer_.step();
  const std::uint16_t one = truth(left);
  const std::uint16_t other = truth(next());
  return {.type = Type::truth, .node = add({.op = op, .left = one, .right = other}), .at = left.at};
}

ConditionParser::Operand ConditionParser::relation() {
  Operand left = unary();
  const bool in = lexer_.token().kind == ConditionWord::name && lexer_.token().text == "in";
  static constexpr std::array<std::string_view, 6> signs{"==", "!=", "<", "<=", ">", ">="};
  if (!in && (lexer_.token().kind != ConditionWord::sign ||
              std::find(signs.begin(), signs.end(), lexer_.token().text) == signs.end()))
    return left;
  const std::string sign = lexer_.token().text;
  lexer_.step();
  const Operand right = unary();
  Operand out{.type = Type::truth, .node = in ? member(left, right) : compared(sign, left, right), .at = left.at};
  if (lexer_.token().kind == ConditionWord::sign &&
      std::find(signs.begin(), signs.end(), lexer_.token().text) != signs.end())
    lexer_.refuse(lexer_.token().at, "compares what was compared already; write two comparisons and && between them");
  return out;
}

ConditionParser::Operand ConditionParser::unary() {
  if (!lexer_.at_sign("!")) return postfix();
  const std::size_t at = lexer_.token().at;
  deeper(at);
  lexer_.step();
  const std::uint16_t inner = truth(unary());
  --depth_;
  return {.type = Type::truth, .node = add({.op = Op::negation, .left = inner}), .at = at};
}

void ConditionParser::deeper(std::size_t at) {
  if (++depth_ > Condition::deepest)
    lexer_.refuse(at, "lies deeper than " + std::to_string(Condition::deepest) + " brackets; write it flatter");
}

ConditionParser::Operand ConditionParser::postfix() {
  Operand out = primary();
  while (lexer_.at_sign(".")) {
    lexer_.step(false);
    static constexpr std::array methods{std::pair("startsWith", Op::starts_with), std::pair("endsWith", Op::ends_with),
                                        std::pair("contains", Op::contains)};
    const auto method = std::find_if(methods.begin(), methods.end(),
                                     [&](const auto& each) { return lexer_.token().text == each.first; });
    if (lexer_.token().kind != ConditionWord::name || method == methods.end())
      lexer_.refuse(lexer_.token().at, "is unknown; write startsWith(\"…\"), endsWith(\"…\") or contains(\"…\")");
    if (!is_textual(out.type) && !is_open(out.type))
      lexer_.refuse(out.at, "is " + std::string(words_of(out.type)) + ", and only text has parts; write it of text");
    lexer_.step(false);
    lexer_.expect("(", true);
    if (lexer_.token().kind != ConditionWord::text)
      lexer_.refuse(lexer_.token().at, "should be text in quotes; write for example startsWith(\"T-\")");
    const std::uint16_t part = put(program_->texts, lexer_.token().text);
    lexer_.step(false);
    lexer_.expect(")", false);
    const std::uint16_t whole = text(out);
    out = {.type = Type::truth, .node = add({.op = method->second, .left = whole, .item = part}), .at = out.at};
  }
  return out;
}

ConditionParser::Operand ConditionParser::primary() {
  const ConditionToken token = lexer_.token();
  Operand out{.at = token.at};
  switch (token.kind) {
    case ConditionWord::end: lexer_.refuse(token.at, "comes too early; write a name, an argument or a value there");
    case ConditionWord::number:
      lexer_.step(false);
      out.type = Type::number;
      out.node = add({.op = Op::number, .number = token.number});
      return out;
    case ConditionWord::duration:
      lexer_.step(false);
      out.type = Type::duration;
      out.node = add({.op = Op::number, .number = token.number});
      return out;
    case ConditionWord::text:
      lexer_.step(false);
      out.type = Type::text_literal;
      out.text = token.text;
      return out;
    case ConditionWord::argument:
      lexer_.step(false);
      out.type = Type::argument;
      out.item = argument(token);
      return out;
    case ConditionWord::variable:
      lexer_.step(false);
      out.type = Type::variable;
      out.item = variable(token);
      return out;
    case ConditionWord::name: return name(token);
    case ConditionWord::sign: break;
  }
  if (token.text == "(") {
    deeper(token.at);
    lexer_.step();
    out = either();
    --depth_;
    lexer_.expect(")", false);
    return out;
  }
  if (token.text == "[") return list();
  lexer_.refuse(token.at, "stands where a value is needed; write a name, an argument or a value");
}

ConditionParser::Operand ConditionParser::list() {
  Operand out{.type = Type::list, .at = lexer_.token().at};
  lexer_.step();
  while (true) {
    if (lexer_.token().kind != ConditionWord::text && lexer_.token().kind != ConditionWord::number)
      lexer_.refuse(lexer_.token().at, "can't be in a list; write texts in quotes, or numbers");
    if (out.elements.size() == most_elements)
      lexer_.refuse(out.at,
                    "is a list of more than " + std::to_string(most_elements) + "; write two, with || between them");
    out.elements.push_back({lexer_.token().kind == ConditionWord::text, lexer_.token().text, lexer_.token().number});
    if (out.elements.front().is_text != out.elements.back().is_text)
      lexer_.refuse(lexer_.token().at,
                    "is of another type than what stands before it; write texts alone, or numbers alone");
    lexer_.step(false);
    if (!lexer_.at_sign(",")) break;
    lexer_.step();
  }
  lexer_.expect("]", false);
  return out;
}

std::uint16_t ConditionParser::argument(const ConditionToken& token) {
  ArgumentPath path;
  for (std::string_view rest = token.text;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part.find_first_of("< ") != std::string_view::npos)
      lexer_.refuse(token.at, "is no argument's name; write <id>, or <filter/id> for a nested one");
    path.emplace_back(part);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  auto& known = program_->arguments;
  const auto found = std::find(known.begin(), known.end(), path);
  if (found != known.end()) return static_cast<std::uint16_t>(found - known.begin());
  return put(known, std::move(path));
}

std::uint16_t ConditionParser::variable(const ConditionToken& token) {
  if (!compiling_.variable)
    lexer_.refuse(token.at,
                  "is a variable of nginx, which only require in its configuration can ask for; write it there");
  auto& known = program_->variables;
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == token.text; });
  if (found != known.end()) return static_cast<std::uint16_t>(found - known.begin());
  const auto handle = compiling_.variable(token.text);
  if (!handle) lexer_.refuse(token.at, handle.error());
  return put(known, HostVariable{token.text, *handle});
}

ConditionParser::Operand ConditionParser::name(const ConditionToken& token) {
  lexer_.step(false);
  Operand out{.at = token.at};
  if (lexer_.at_sign("(")) return call(token);
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
  lexer_.refuse(token.at, "is no known name; write " + std::string(names_known));
}

ConditionParser::Operand ConditionParser::call(const ConditionToken& token) {
  Operand out{.at = token.at};
  lexer_.expect("(", true);
  const ConditionToken inner = lexer_.token();
  if (token.text == "size") {
    deeper(token.at);
    const Operand of = unary();
    --depth_;
    if (!is_textual(of.type) && !is_open(of.type))
      lexer_.refuse(of.at, "is " + std::string(words_of(of.type)) + ", and size counts text; write size(<name>)");
    lexer_.expect(")", false);
    const std::uint16_t whole = text(of);
    out.type = Type::number;
    out.node = add({.op = Op::size, .left = whole});
    return out;
  }
  if (token.text == "has") {
    if (inner.kind != ConditionWord::argument) lexer_.refuse(inner.at, "can't be asked for; write has(<name>)");
    lexer_.step(false);
    lexer_.expect(")", false);
    out.node = add({.op = Op::has, .item = argument(inner)});
    return out;
  }
  const bool within = token.text == "within";
  if (!within && token.text != "weekday" && token.text != "time")
    lexer_.refuse(token.at, "is no known function; write " + std::string(functions_known));
  if (inner.kind != ConditionWord::text)
    lexer_.refuse(inner.at, "should be text in quotes; write " + std::string(functions_known));
  lexer_.step(false);
  lexer_.expect(")", false);
  if (within) {
    auto window = Window::parse(inner.text);
    if (!window) lexer_.refuse(inner.at, window.error());
    out.node = add({.op = Op::within, .item = put(program_->windows, *std::move(window))});
    return out;
  }
  auto zone = TimeZone::find(inner.text);
  if (!zone) lexer_.refuse(inner.at, "is an unknown time zone; write for example \"Europe/Berlin\"");
  const bool day = token.text == "weekday";
  out.type = day ? Type::weekday : Type::clock;
  out.node = add({.op = day ? Op::weekday : Op::clock, .item = put(program_->zones, std::move(zone))});
  return out;
}

Result<std::shared_ptr<const Condition>, std::string> Condition::compile(std::string_view text,
                                                                         const Compiling& compiling) {
  return ConditionParser(text, compiling).run();
}

}  // namespace agw
