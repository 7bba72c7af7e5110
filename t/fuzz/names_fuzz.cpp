// Patterns, names, ids and media types. Lines: a pattern, a value.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"
#include "agw/json/document.h"
#include "agw/json/scalar.h"
#include "agw/model/pattern.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

void check_pattern(std::string_view pattern, std::string_view value) {
  if (!is_pattern(pattern)) {
    expect(!matches(pattern, value), "what is no pattern matches nothing");
    return;
  }
  const bool open = pattern.ends_with('*');
  const bool wanted = open ? value.starts_with(pattern.substr(0, pattern.size() - 1)) : value == pattern;
  expect(matches(pattern, value) == wanted, "a pattern is exact bytes or a prefix");
  expect(pattern.find('*') == (open ? pattern.size() - 1 : std::string_view::npos), "a star stands at the end alone");
  if (open && pattern.size() > 1)
    expect(std::string_view(":/.").find(pattern[pattern.size() - 2]) != std::string_view::npos,
           "a star stands after a separator");
}

void check_names(std::string_view text) {
  if (is_operation_name(text))
    expect(text.find('/') != std::string_view::npos && text.find_first_of("*|: \"{}") == std::string_view::npos,
           "an operation has a namespace and no character of a pattern");
  if (is_principal_id(text)) {
    const std::size_t bar = text.find('|');
    expect(bar != std::string_view::npos && bar > 0 && is_encoded_part(text.substr(bar + 1)),
           "an id is an alias and an encoded part");
  }
  // However it is written, it is not the type of a form or of a multipart body.
  if (json::is_json_media_type(text))
    expect(text.find_first_of("jJ") != std::string_view::npos && text.find('\0') == std::string_view::npos,
           "JSON's media type names it");
}

void check_fold(std::string_view text) {
  if (!is_utf8(text)) return;
  const std::string folded = json::fold_key(text);
  expect(is_utf8(folded), "a folded key is UTF-8");
  expect(json::fold_key(folded) == folded, "folding twice changes nothing more");
  std::string shouted(text);
  for (char& c : shouted)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  expect(json::fold_key(shouted) == folded, "case is folded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view pattern = fuzz::take_line(text);
  check_pattern(pattern, text);
  check_names(pattern);
  check_names(text);
  check_fold(pattern);
  check_fold(text);
  return 0;
}
