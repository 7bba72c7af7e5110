// A limit as a configuration or a policy writes it, word by word.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/limit.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    out.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

void check(const Limit& limit) {
  expect(limit.amount > 0 && !limit.subjects.empty() && !limit.name.empty(), "it limits somebody, and has a name");
  expect(limit.kind == LimitKind::bucket || (limit.burst == 0 && limit.queue.count() == 0),
         "only a bucket has a burst and a queue");
  // What a bucket holds is counted in amounts × milliseconds, exactly (also in Lua's doubles).
  if (limit.kind == LimitKind::bucket)
    expect(limit.burst > 0 && std::max(limit.burst, limit.amount) <= (std::int64_t{1} << 52) / length_of(limit.period),
           "a bucket's level is an exact number");
  expect(limit.queue.count() <= 60'000, "nobody waits for longer than a minute");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto words = words_of({reinterpret_cast<const char*>(data), size});
  const auto limit = parse_limit(words);
  if (!limit) {
    expect(!limit.error().empty(), "a refusal says why");
    return 0;
  }
  check(*limit);
  const std::string written = write_limit(*limit);
  const auto again = parse_limit(words_of(written));
  expect(again.has_value(), "what is written can be read");
  expect(again->id() == limit->id() && again->amount == limit->amount && again->burst == limit->burst &&
             again->queue == limit->queue && again->warn == limit->warn && again->name == limit->name,
         "and is the same limit");
  expect(write_limit(*again) == written, "which is written in one way");
  return 0;
}
