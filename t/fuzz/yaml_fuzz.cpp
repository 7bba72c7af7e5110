// YAML as agwctl reads it: what comes out is strict JSON, every value has a line of the text, and what is JSON already
// means the same as before.
#include <cstdint>
#include <memory>
#include <string_view>

#include <jansson.h>

#include "agw/json/document.h"

#include "agwctl/yaml.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;
using Json = std::unique_ptr<json_t, decltype(&json_decref)>;

Json tree_of(std::string_view text) {
  return {json_loadb(text.data(), text.size(), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, nullptr), json_decref};
}

/// Fractions and long integers are text in YAML: a policy has none.
bool holds_other_number(const json_t* value) {
  constexpr json_int_t longest = 999'999'999'999'999;
  if (json_is_real(value)) return true;
  if (json_is_integer(value)) return json_integer_value(value) > longest || json_integer_value(value) < -longest;
  std::size_t index = 0;
  const char* key = nullptr;
  json_t* child = nullptr;
  bool found = false;
  json_array_foreach(value, index, child) found = found || holds_other_number(child);
  json_object_foreach(const_cast<json_t*>(value), key, child) found = found || holds_other_number(child);
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = agwctl::read_yaml(text);
  if (!read) {
    expect(!read.error().message.empty() && read.error().line >= 0, "a refusal says what and where");
    return 0;
  }
  const Json tree = tree_of(read->json);
  expect(tree != nullptr, "what comes out is JSON");
  for (const auto& [path, line] : read->lines)
    expect(line >= 1 && static_cast<std::size_t>(line) <= size + 1, "a value stands on a line of the text");
  json::Document document;
  const auto strict = document.read(text, {});
  const Json same = tree_of(text);
  if (strict && same != nullptr && !holds_other_number(same.get()))
    expect(json_equal(same.get(), tree.get()) == 1, "JSON is YAML");
  return 0;
}
