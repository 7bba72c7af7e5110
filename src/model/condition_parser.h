// Text to program: a subset of CEL (https://github.com/google/cel-spec), every type known when it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/model/condition.h"

#include "condition_lexer.h"
#include "condition_program.h"

namespace agw {

class ConditionParser {
 public:
  ConditionParser(std::string_view text, const Condition::Compiling& compiling)
      : lexer_(text), compiling_(compiling), program_(std::make_unique<Condition::Program>()) {}

  Result<std::shared_ptr<const Condition>, std::string> run();

 private:
  using Op = ConditionOp;

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

  // The grammar, in condition_parser.cpp.
  Operand either();
  Operand both();
  template <class Next>
  Operand joined(Op op, const Operand& left, Next next);
  Operand relation();
  Operand unary();
  void deeper(std::size_t at);
  Operand postfix();
  Operand primary();
  Operand list();
  std::uint16_t argument(const ConditionToken& token);
  std::uint16_t variable(const ConditionToken& token);
  Operand name(const ConditionToken& token);
  Operand call(const ConditionToken& token);

  // Which operands go together, and what they come to: in condition_typing.cpp.
  template <class T>
  static std::uint16_t put(std::vector<T>& list, T value) {
    list.push_back(std::move(value));
    return static_cast<std::uint16_t>(list.size() - 1);
  }
  [[noreturn]] void refuse_types(std::size_t at, std::string_view sign, Type left, Type right,
                                 std::string_view form) const;
  std::uint16_t add(ConditionNode node);
  std::uint16_t put_field(CallField field);
  std::uint16_t truth(const Operand& operand);
  /// As text; the operand is one, or becomes one.
  std::uint16_t text(const Operand& operand);
  std::uint16_t number(const Operand& operand);
  /// Ids carry their issuer: one without could never be met.
  void check_id(const Operand& of, std::string_view id, std::size_t at) const;
  /// `<` and `>` differ in their sides only.
  std::uint16_t ordered(const std::string& sign, std::uint16_t one, std::uint16_t other);
  std::uint16_t compared(const std::string& sign, const Operand& left, const Operand& right);
  std::uint16_t compared_time(const std::string& sign, const Operand& left, const Operand& right);
  std::int64_t moment(const Operand& at, std::string_view text, Type type) const;
  std::uint16_t member(const Operand& left, const Operand& right);
  std::uint16_t networks(const Operand& right);
  static bool is_textual(Type type) noexcept { return type == Type::text || type == Type::text_literal; }
  static bool is_open(Type type) noexcept { return type == Type::argument || type == Type::variable; }
  static std::string_view words_of(Type type) noexcept;

  ConditionLexer lexer_;
  const Condition::Compiling& compiling_;
  std::unique_ptr<Condition::Program> program_;
  std::size_t depth_ = 0;
};

}  // namespace agw
