#include "condition_lexer.h"

#include <algorithm>
#include <charconv>

namespace agw {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

}  // namespace

void ConditionLexer::refuse(std::size_t at, std::string_view what) const {
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
  throw ConditionError{out += what};
}

void ConditionLexer::step(bool operand) {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
  token_ = ConditionToken{};
  token_.at = at_;
  if (at_ == text_.size()) return;
  const char c = text_[at_];
  if (is_digit(c) || (operand && c == '-')) return read_number();
  if (is_name_byte(c)) return read_name(ConditionWord::name, at_);
  if (c == '"' || c == '\'') return read_text(c);
  if (operand && c == '<') return read_argument();
  if (c == '$') return read_name(ConditionWord::variable, at_ + 1);
  token_.kind = ConditionWord::sign;
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

void ConditionLexer::read_name(ConditionWord kind, std::size_t from) {
  std::size_t end = from;
  while (end < text_.size() && is_name_byte(text_[end])) ++end;
  if (end == from || is_digit(text_[from])) refuse(token_.at, "is no variable's name; write for example $office_hours");
  token_.kind = kind;
  token_.text = text_.substr(from, end - from);
  at_ = end;
}

void ConditionLexer::read_number() {
  std::size_t end = at_ + (text_[at_] == '-' ? 1 : 0);
  while (end < text_.size() && is_digit(text_[end])) ++end;
  const std::string_view digits = text_.substr(at_, end - at_);
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token_.number);
  if (error != std::errc() || rest != digits.data() + digits.size())
    refuse(at_, "is no whole number of 64 bits; write for example 100");
  const std::string_view plain = digits.starts_with('-') ? digits.substr(1) : digits;
  if (plain.size() > 1 && plain.front() == '0') refuse(at_, "begins with 0; write the number without it");
  token_.kind = ConditionWord::number;
  at_ = end;
  std::size_t unit_end = at_;
  while (unit_end < text_.size() && (is_name_byte(text_[unit_end]) || text_[unit_end] == '.')) ++unit_end;
  const std::string_view unit = text_.substr(at_, unit_end - at_);
  if (unit.empty()) return;
  const std::int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86'400 : 0;
  if (seconds == 0 || token_.number < 0 || token_.number > 1'000'000'000)
    refuse(token_.at, "is no number; write a whole one, as 100, or a length of time, as 30s, 15m, 8h or 1d");
  token_.number *= seconds;
  token_.kind = ConditionWord::duration;
  at_ = unit_end;
}

void ConditionLexer::read_text(char quote) {
  token_.kind = ConditionWord::text;
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

void ConditionLexer::read_argument() {
  const std::size_t end = text_.find('>', at_);
  if (end == std::string_view::npos)
    refuse(at_, "has no \">\"; write an argument as <id>, or <filter/id> for a nested one");
  token_.kind = ConditionWord::argument;
  token_.text = text_.substr(at_ + 1, end - at_ - 1);
  at_ = end + 1;
}

bool ConditionLexer::at_sign(std::string_view sign) const {
  return token_.kind == ConditionWord::sign && token_.text == sign;
}

void ConditionLexer::expect(std::string_view sign, bool operand_next) {
  if (!at_sign(sign)) refuse(token_.at, "should be \"" + std::string(sign) + "\"; write it there");
  step(operand_next);
}

}  // namespace agw
