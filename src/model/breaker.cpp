#include "agw/model/breaker.h"

#include <array>
#include <charconv>

namespace agw {
namespace {

constexpr std::int64_t usual_least = 10;
constexpr std::int64_t most_least = 1'000'000;
constexpr Milliseconds shortest{1'000};
constexpr Milliseconds longest_window{std::chrono::hours(24)};
constexpr Milliseconds longest_pause{std::chrono::hours(24 * 7)};

struct Unit {
  char letter;
  std::int64_t length;
};
constexpr std::array units{Unit{'d', 86'400'000}, Unit{'h', 3'600'000}, Unit{'m', 60'000}, Unit{'s', 1'000}};

constexpr std::string_view rate_forms =
    "write a share of the calls and a time, as denials=20%/1m (agent) or errors=50%/30s";

std::string quote(std::string_view text) { return '"' + std::string(text) + '"'; }

/// The digits at the beginning, as a number from 1 to `limit`; they are removed from `text`.
std::optional<std::int64_t> take_number(std::string_view& text, std::int64_t limit) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 1 || value > limit) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<Milliseconds> read_time(std::string_view text, Milliseconds most) {
  const auto number = take_number(text, most.count());
  if (!number || text.size() != 1) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.letter != text.front()) continue;
    const Milliseconds out(*number <= most.count() / unit.length ? *number * unit.length : 0);
    return out >= shortest ? std::optional(out) : std::nullopt;
  }
  return std::nullopt;
}

std::string write_time(Milliseconds time) {
  for (const Unit& unit : units)
    if (time.count() % unit.length == 0) return std::to_string(time.count() / unit.length) + unit.letter;
  return std::to_string(time.count() / 1'000) + 's';
}

std::string_view text_of(BreakerSubject subject) { return subject == BreakerSubject::agent ? "agent" : "backend"; }
std::string_view text_of(BreakerCount count) { return count == BreakerCount::denials ? "denials" : "errors"; }

Result<void, std::string> read_rate(std::string_view word, Breaker& breaker) {
  const auto wrong = [&] { return fail("has " + quote(word) + "; " + std::string(rate_forms)); };
  const std::size_t equals = word.find('=');
  const std::string_view what = word.substr(0, equals);
  if (equals == std::string_view::npos || (what != "denials" && what != "errors")) return wrong();
  breaker.count = what == "denials" ? BreakerCount::denials : BreakerCount::errors;
  if (breaker.subject == BreakerSubject::backend && breaker.count == BreakerCount::denials)
    return fail(std::string("counts denials of a backend, which is asked only what is allowed; write errors=50%/30s"));
  std::string_view rest = word.substr(equals + 1);
  const auto percent = take_number(rest, 100);
  if (!percent || !rest.starts_with("%/")) return wrong();
  breaker.percent = static_cast<int>(*percent);
  const auto window = read_time(rest.substr(2), longest_window);
  if (!window) return fail("has " + quote(word) + "; write a time from 1s to 1d after the /, as 30s or 5m");
  breaker.window = *window;
  return {};
}

Result<void, std::string> read_option(std::string_view word, Breaker& breaker, bool& closes) {
  constexpr std::string_view least = "min=";
  constexpr std::string_view pause = "for=";
  if (word.starts_with(least)) {
    std::string_view rest = word.substr(least.size());
    const auto number = take_number(rest, most_least);
    if (!number || !rest.empty()) return fail("has " + quote(word) + "; write a number of calls, as min=20");
    breaker.least = *number;
    return {};
  }
  if (closes && (word == "by_hand" || word.starts_with(pause)))
    return fail("says twice when it closes; write for=TIME or by_hand");
  if (word == "by_hand") {
    if (breaker.subject == BreakerSubject::backend)
      return fail(std::string("is by_hand, and a backend's closes when a call succeeds; write for=TIME, as for=30s"));
    closes = true;
    return {};
  }
  if (!word.starts_with(pause))
    return fail("has the unknown word " + quote(word) + "; write min=N, for=TIME or by_hand");
  breaker.open_for = read_time(word.substr(pause.size()), longest_pause);
  if (!breaker.open_for) return fail("has " + quote(word) + "; write a time from 1s to 7d, as for=5m");
  closes = true;
  return {};
}

}  // namespace

std::string Breaker::id() const {
  std::string out = place + ':';
  ((out += text_of(subject)) += ':') += text_of(count);
  return out + ':' + write_time(window);
}

Result<Breaker, std::string> parse_breaker(std::span<const std::string_view> words) {
  Breaker out;
  const std::string_view subject = words.empty() ? std::string_view() : words[0];
  if (subject != "agent" && subject != "backend") return fail("is for " + quote(subject) + "; write agent or backend");
  out.subject = subject == "agent" ? BreakerSubject::agent : BreakerSubject::backend;
  if (words.size() < 2) return fail("doesn't say what opens it; " + std::string(rate_forms));
  if (auto read = read_rate(words[1], out); !read) return fail(std::move(read.error()));
  out.least = usual_least;
  bool closes = false;
  for (const std::string_view word : words.subspan(2))
    if (auto read = read_option(word, out, closes); !read) return fail(std::move(read.error()));
  if (!closes)
    return fail(out.subject == BreakerSubject::agent
                    ? std::string("doesn't say when it closes; write for=5m, or by_hand")
                    : std::string("doesn't say for how long it opens; write for=30s"));
  out.text = std::string(subject) + " " + std::string(text_of(out.count)) + "=" + std::to_string(out.percent) + "%/" +
             write_time(out.window);
  return out;
}

std::string write_breaker(const Breaker& breaker) {
  return breaker.text + " min=" + std::to_string(breaker.least) +
         (breaker.open_for ? " for=" + write_time(*breaker.open_for) : " by_hand");
}

}  // namespace agw
