// A breaker as a configuration writes it, word by word.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/breaker.h"

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

void check(const Breaker& breaker) {
  constexpr Milliseconds second{1'000};
  constexpr Milliseconds day{86'400'000};
  expect(breaker.percent >= 1 && breaker.percent <= 100, "a share of all");
  expect(breaker.least >= 1 && breaker.least <= 1'000'000, "something must have been counted");
  expect(breaker.window >= second && breaker.window <= day, "a window that can be counted in");
  expect(!breaker.open_for || (*breaker.open_for >= second && *breaker.open_for <= 7 * day), "a pause ends");
  if (breaker.subject == BreakerSubject::backend)
    expect(breaker.count == BreakerCount::errors && breaker.open_for, "a backend's is tried again by itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto words = words_of({reinterpret_cast<const char*>(data), size});
  const auto breaker = parse_breaker(words);
  if (!breaker) {
    expect(!breaker.error().empty(), "a refusal says why");
    return 0;
  }
  check(*breaker);
  const std::string written = write_breaker(*breaker);
  const auto again = parse_breaker(words_of(written));
  expect(again.has_value(), "what is written can be read");
  expect(again->id() == breaker->id() && again->percent == breaker->percent && again->least == breaker->least &&
             again->open_for == breaker->open_for,
         "and is the same breaker");
  expect(write_breaker(*again) == written, "which is written in one way");
  return 0;
}
