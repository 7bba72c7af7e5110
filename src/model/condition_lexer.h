// The words of a condition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace agw {

/// What is wrong with a condition, for a person.
struct ConditionError {
  std::string message;
};

enum class ConditionWord : std::uint8_t { end, name, number, duration, text, argument, variable, sign };

struct ConditionToken {
  ConditionWord kind = ConditionWord::end;
  std::size_t at = 0;
  std::string text;          ///< a name, a sign, or what quotes hold
  std::int64_t number = 0;
};

/// Reads one word after another. Throws ConditionError, as whoever uses it does.
class ConditionLexer {
 public:
  explicit ConditionLexer(std::string_view text) : text_(text) {}

  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] const ConditionToken& token() const noexcept { return token_; }

  /// `operand`: where a value may begin, `<` opens an argument's name; elsewhere it compares.
  void step(bool operand = true);
  [[nodiscard]] bool at_sign(std::string_view sign) const;
  void expect(std::string_view sign, bool operand_next);

  /// `has "x" at character 3, which …`
  [[noreturn]] void refuse(std::size_t at, std::string_view what) const;

 private:
  void read_name(ConditionWord kind, std::size_t from);
  void read_number();
  void read_text(char quote);
  void read_argument();

  std::string_view text_;
  std::size_t at_ = 0;
  ConditionToken token_;
};

}  // namespace agw
