#include "agw/idempotency/kept_answer.h"

#include <charconv>

namespace agw::idempotency {
namespace {

// `1 STATUS ID_AT TYPE_SIZE LOCATION_SIZE BODY_SIZE\n`, then the three texts. ID_AT is `-` where there is no id.
constexpr std::string_view version = "1";

std::string_view next_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  return word;
}

/// Digits, written in one way.
std::optional<std::size_t> number(std::string_view word) {
  std::size_t out = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  if (error != std::errc() || end != word.data() + word.size() || (word.size() > 1 && word.front() == '0'))
    return std::nullopt;
  return out;
}

/// Takes so many bytes off the front.
bool take(std::string_view& text, std::optional<std::size_t> size, std::string& out) {
  if (!size || *size > text.size()) return false;
  out = text.substr(0, *size);
  text.remove_prefix(*size);
  return true;
}

}  // namespace

std::string write_answer(const KeptAnswer& answer) {
  std::string out(version);
  out += ' ' + std::to_string(answer.status) + ' ' + (answer.has_id ? std::to_string(answer.id_at) : "-");
  for (const auto& text : {&answer.content_type, &answer.location, &answer.body})
    out += ' ' + std::to_string(text->size());
  out += '\n';
  return out + answer.content_type + answer.location + answer.body;
}

std::optional<KeptAnswer> read_answer(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (next_word(line) != version) return std::nullopt;
  KeptAnswer out;
  const auto status = number(next_word(line));
  if (!status || *status < 200 || *status > 599) return std::nullopt;
  out.status = static_cast<int>(*status);
  const std::string_view place = next_word(line);
  if (place != "-") {
    const auto at = number(place);
    if (!at) return std::nullopt;
    out.has_id = true;
    out.id_at = *at;
  }
  const auto type = number(next_word(line));
  const auto location = number(next_word(line));
  const auto body = number(line);
  if (!take(text, type, out.content_type) || !take(text, location, out.location) || !take(text, body, out.body) ||
      !text.empty() || out.id_at > out.body.size())
    return std::nullopt;
  return out;
}

std::string body_for(const KeptAnswer& answer, std::string_view id) {
  if (!answer.has_id) return answer.body;
  std::string out = answer.body.substr(0, answer.id_at);
  out += id;
  out += std::string_view(answer.body).substr(answer.id_at);
  return out;
}

}  // namespace agw::idempotency
