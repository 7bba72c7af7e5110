// What repeats are made of: the record that Redis holds, the answer that a backend gave, the key that a client sent.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/idempotency/kept_answer.h"
#include "agw/idempotency/keys.h"
#include "agw/idempotency/rule.h"
#include "agw/json/canonical.h"
#include "agw/json/document.h"
#include "agw/mcp/response.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

class FixedRandom final : public Random {
 public:
  void fill(unsigned char* out, std::size_t size) override { std::fill_n(out, size, 7); }
};

class OneField final : public Headers {
 public:
  explicit OneField(std::string_view value) : value_(value) {}
  [[nodiscard]] Found find(std::string_view) const noexcept override { return {1, value_}; }
  void each(Visit visit, void* context) const override { visit(context, "idempotency-key", value_); }

 private:
  std::string_view value_;
};

const idempotency::Keys& keys() {
  static const idempotency::Keys made = [] {
    std::vector<Secret> files;
    files.emplace_back(std::string(32, 'a'));
    files.emplace_back(std::string(32, 'b'));
    return idempotency::Keys(files);
  }();
  return made;
}

void check_record(std::string_view input) {
  FixedRandom random;
  expect(!keys().open(input, "call"), "nobody opens what wasn't sealed");
  const std::string sealed = keys().seal(input, "call", random);
  expect(keys().open(sealed, "call") == input, "what is sealed is opened");
  expect(!keys().open(sealed, "another"), "for that call alone");
  const auto answer = idempotency::read_answer(input);
  if (!answer) return;
  expect(idempotency::write_answer(*answer) == input, "a record has one form");
  expect(answer->status >= 200 && answer->status <= 599, "its status is that of a final answer");
  const std::size_t size = idempotency::body_for(*answer, "17").size();
  expect(size == answer->body.size() + (answer->has_id ? 2 : 0), "an id goes in where one was taken out");
}

void check_response(std::string_view input, std::string_view type) {
  json::Document document;
  const auto found = mcp::sole_response(document, type, input, {});
  if (!found) return;
  expect(found->id_at <= found->message.size() && found->id_size <= found->message.size() - found->id_at,
         "the id stands in the message");
  idempotency::KeptAnswer answer;
  answer.body = found->message;
  answer.body.erase(found->id_at, found->id_size);
  answer.has_id = true;
  answer.id_at = found->id_at;
  const std::string spliced = idempotency::body_for(answer, "\"another id\"");
  const auto root = document.read(spliced, {});
  expect(root && root->member("id") && root->member("id")->text() == "another id", "it can be another's");
}

void check_key(std::string_view input) {
  const auto key = idempotency::key_of_header(OneField(input), "idempotency-key");
  if (!key) return;
  expect(!key->empty() && key->size() <= idempotency::longest_key, "a key is neither empty nor too long");
  std::string written = "\"";
  for (const char c : *key) {
    if (c == '"' || c == '\\') written += '\\';
    written += c;
  }
  const auto again = idempotency::key_of_header(OneField(written + "\""), "idempotency-key");
  expect(again && *again == *key, "as a string it is the same");
}

void check_canonical(std::string_view input) {
  json::Document document;
  const auto root = document.read(input, {});
  if (!root) return;
  std::string text;
  json::append_canonical(text, *root);
  json::Document second;
  const auto again = second.read(text, {});
  expect(again.has_value(), "the canonical text is strict JSON");
  std::string same;
  json::append_canonical(same, *again);
  expect(same == text, "and its own canonical text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: check_record(input); break;
    case 1: check_response(input, "application/json"); break;
    case 2: check_response(input, "text/event-stream"); break;
    case 3: check_key(input); break;
    default: check_canonical(input); break;
  }
  return 0;
}
