// Encodings and times: what is decoded is encoded again to the very text, what is encoded is decoded to the very bytes.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <jansson.h>

#include "agw/base/encoding.h"
#include "agw/base/time.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

bool is_printable_ascii(std::string_view text) {
  for (char c : text)
    if (c < 0x20 || c > 0x7E) return false;
  return true;
}

void check_bytes_as_text(std::string_view bytes) {
  expect(base64url_decode(base64url_encode(bytes)) == bytes, "base64url there and back");
  expect(base64_decode(base64_encode(bytes)) == bytes, "base64 there and back");
  expect(hex_encode(bytes).size() == 2 * bytes.size(), "hex has two digits a byte");
  const std::string part = encode_part(bytes);
  expect(is_encoded_part(part) && decode_part(part) == bytes, "a part there and back");
  expect(part.find_first_of("|*:/{} \"") == std::string::npos && is_printable_ascii(part), "a part can't break a key");
}

void check_text_as_bytes(std::string_view text) {
  if (const auto bytes = base64url_decode(text))
    expect(base64url_encode(*bytes) == text, "base64url has one text for each value");
  if (const auto bytes = base64_decode(text))
    expect(base64_encode(*bytes) == text, "base64 has one text for each value");
  const auto part = decode_part(text);
  expect(part.has_value() == is_encoded_part(text), "is_encoded_part says what decode_part does");
  if (part) expect(encode_part(*part) == text, "a part has one text for each value");
}

void check_quoting(std::string_view text) {
  const std::string quoted = json_quoted(text);
  for (char c : quoted) expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "a JSON string is one line");
  expect(is_utf8(quoted) && quoted.find("\xE2\x80\xA8") == std::string::npos, "a JSON string is UTF-8 without U+2028");
  const std::unique_ptr<json_t, decltype(&json_decref)> read(
      json_loadb(quoted.data(), quoted.size(), JSON_DECODE_ANY, nullptr), json_decref);
  expect(read && json_is_string(read.get()), "a JSON string is one");
  if (is_utf8(text) && text.find('\0') == std::string_view::npos)
    expect(std::string_view(json_string_value(read.get()), json_string_length(read.get())) == text,
           "a JSON string says what it was made of");
  const std::string field = quoted_string_body(text);
  expect(is_printable_ascii(field), "a header's quoted string is printable ASCII");
  for (std::size_t i = 0; i < field.size(); ++i) {
    expect(field[i] != '"', "a header's quoted string ends where it should");
    if (field[i] == '\\') expect(++i < field.size(), "a header's quoted string has no escape at its end");
  }
}

void check_form(std::string_view text) {
  std::string body;
  append_form_field(body, "a", text);
  append_form_field(body, text, "b");
  std::size_t separators = 0;
  for (char c : body) separators += c == '&' ? 1U : 0U;
  expect(separators == 1 && is_printable_ascii(body), "two form fields are two");
}

void check_time(std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time) return;
  const std::string again = format_rfc3339(*time);
  expect(parse_rfc3339(again) == *time, "a time there and back");
  expect(again.size() == 24 && again.ends_with('Z'), "a time has one form");
  expect(from_unix(to_unix(*time)) <= *time + Seconds(1), "seconds of a time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_bytes_as_text(text);
  check_text_as_bytes(text);
  check_quoting(text);
  check_form(text);
  check_time(text);
  const std::string_view left = text.substr(0, size / 2);
  const std::string_view right = text.substr(size / 2);
  expect(equal_constant_time(left, right) == (left == right), "the comparison compares");
  return 0;
}
