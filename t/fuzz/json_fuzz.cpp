// The strict reader beside two other parsers: whatever it takes, both take, and read the same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <jansson.h>
#include <simdjson.h>

#include "agw/base/encoding.h"
#include "agw/json/document.h"
#include "agw/json/scalar.h"

#include "support/claims.h"

namespace {

using agw::fuzz::expect;
using agw::json::Error;
using agw::json::Kind;
using agw::json::Value;

using Json = std::unique_ptr<json_t, decltype(&json_decref)>;

/// jansson's value of the same text; it knows integers of 64 bits only.
void compare(Value value, const json_t* other) {
  switch (value.kind()) {
    case Kind::object:
      expect(json_is_object(other) && json_object_size(other) == value.size());
      for (const Value member : value) {
        const std::string key(member.key());
        compare(member, json_object_get(other, key.c_str()));
        expect(value.member(key)->raw() == member.raw());
      }
      break;
    case Kind::array:
      expect(json_is_array(other) && json_array_size(other) == value.size());
      for (std::size_t i = 0; i < value.size(); ++i) compare(value.child(i), json_array_get(other, i));
      break;
    case Kind::string:
      expect(json_is_string(other));
      expect(value.text() == std::string_view(json_string_value(other), json_string_length(other)));
      break;
    case Kind::number:
      expect(json_is_number(other));
      if (const auto integer = value.integer()) expect(json_is_integer(other) && json_integer_value(other) == *integer);
      break;
    case Kind::boolean: expect(json_is_boolean(other) && json_is_true(other) == *value.boolean()); break;
    case Kind::null: expect(json_is_null(other)); break;
  }
}

void check_spans(Value value, std::string_view text) {
  const std::string_view raw = value.raw();
  expect(raw.data() >= text.data() && raw.data() + raw.size() <= text.data() + text.size() && !raw.empty());
  expect(agw::is_utf8(value.text()) && agw::is_utf8(value.key()));
  expect(value.text().find('\0') == std::string_view::npos && value.key().find('\0') == std::string_view::npos);
  if (value.is(Kind::string) && raw.find('\\') == std::string_view::npos) expect(value.text().data() == raw.data() + 1);
  std::string scratch;
  if (const auto scalar = agw::json::scalar_text(value, scratch)) expect(!scalar->empty());
  for (const Value child : value) {
    expect(child.raw().data() > raw.data() && child.raw().data() + child.raw().size() < raw.data() + raw.size());
    check_spans(child, text);
  }
}

/// Both keys of a pair of look-alikes fold to the same; a document without them has none.
void check_keys(Value value) {
  if (value.is(Kind::object) && value.size() <= 32) {
    for (std::size_t i = 0; i < value.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        expect(agw::json::fold_key(value.child(i).key()) != agw::json::fold_key(value.child(j).key()));
  }
  for (const Value child : value) check_keys(child);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static agw::json::Document document;
  // A copy of its own size, so that the sanitizer sees each read behind the text.
  const auto copy = std::make_unique<char[]>(size);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const std::string_view text(copy.get(), size);
  const agw::json::Limits limits{.max_bytes = 1U << 16, .max_depth = 64, .max_nodes = 1U << 14};

  json_error_t error;
  const Json lax(json_loadb(text.data(), text.size(), JSON_DECODE_ANY, &error), json_decref);
  static simdjson::dom::parser parser;
  simdjson::dom::element element;
  const bool dom = size > 0 && parser.parse(text.data(), text.size()).get(element) == simdjson::SUCCESS;

  const auto root = document.read(text, limits);
  if (root) {
    expect(dom);
    // jansson alone refuses integers beyond 64 bits.
    const bool too_big = !lax && json_error_code(&error) == json_error_numeric_overflow;
    expect(lax || too_big);
    if (lax) compare(*root, lax.get());
    check_spans(*root, text);
    check_keys(*root);
    return 0;
  }
  switch (root.error()) {
    // Where another parser takes it, it is refused for something that JSON itself allows.
    case Error::invalid: expect(!lax); break;
    case Error::utf8: expect(!agw::is_utf8(text) && !lax); break;
    // jansson takes a raw NUL for white space.
    case Error::nul:
      expect(text.find('\0') != std::string_view::npos || text.find("\\u0000") != std::string_view::npos);
      break;
    default: break;
  }
  return 0;
}
