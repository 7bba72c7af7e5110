#include "agw/idempotency/rule.h"

#include <algorithm>

namespace agw::idempotency {
namespace {

bool is_bare(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\' && c != ','; });
}

/// RFC 9651 section 3.3.3, and nothing behind it.
std::optional<std::string> quoted_string(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  std::string out;
  text = text.substr(1, text.size() - 2);
  bool escaped = false;
  for (const char c : text) {
    if (escaped ? c != '"' && c != '\\' : c == '"' || c < 0x20 || c >= 0x7F) return std::nullopt;
    escaped = !escaped && c == '\\';
    if (!escaped) out += c;
  }
  if (escaped) return std::nullopt;
  return out;
}

Result<std::string, Reason> bounded(std::string key) {
  if (key.empty() || key.size() > longest_key) return fail(Reason::idempotency_key_invalid);
  return key;
}

}  // namespace

Result<std::string, Reason> key_of_header(const Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  if (found.count == 0) return fail(Reason::idempotency_key_missing);
  if (found.count > 1) return fail(Reason::idempotency_key_invalid);
  if (is_bare(found.value)) return bounded(std::string(found.value));
  auto text = quoted_string(found.value);
  if (!text) return fail(Reason::idempotency_key_invalid);
  return bounded(*std::move(text));
}

Result<std::string, Reason> key_of_argument(const policy::ResourceTemplate& argument,
                                            const policy::Arguments& arguments) {
  const auto found = arguments.find(argument.placeholders().front());
  if (found) return bounded(std::string(*found));
  return fail(found.error() == Reason::argument_missing ? Reason::idempotency_key_missing
                                                        : Reason::idempotency_key_invalid);
}

}  // namespace agw::idempotency
