#include "agw/model/limit.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace agw {
namespace {

template <class T>
struct Word {
  std::string_view text;
  T value;
};

constexpr std::array subjects{Word{"tenant", LimitSubject::tenant},  Word{"team", LimitSubject::team},
                              Word{"agent", LimitSubject::agent},    Word{"user", LimitSubject::user},
                              Word{"tool", LimitSubject::tool},      Word{"class", LimitSubject::classification},
                              Word{"backend", LimitSubject::backend}};
constexpr std::array periods{Word{"s", LimitPeriod::second}, Word{"m", LimitPeriod::minute},
                             Word{"h", LimitPeriod::hour}, Word{"d", LimitPeriod::day},
                             Word{"month", LimitPeriod::month}};
struct Scale {
  LimitUnit unit;
  std::int64_t factor;
};
constexpr std::array units{Word{"r", Scale{LimitUnit::requests, 1}},     Word{"u", Scale{LimitUnit::cost, 1}},
                           Word{"b", Scale{LimitUnit::bytes, 1}},        Word{"kb", Scale{LimitUnit::bytes, 1 << 10}},
                           Word{"mb", Scale{LimitUnit::bytes, 1 << 20}}, Word{"gb", Scale{LimitUnit::bytes, 1 << 30}}};

constexpr std::int64_t most = 1'000'000'000;
constexpr std::int64_t most_bytes = std::int64_t{1} << 50;
/// A bucket's content, amount × millisecond, with as much debt again, is exact in Lua's numbers too.
constexpr std::int64_t most_level = std::int64_t{1} << 51;
constexpr std::int64_t most_at_once = 10'000;
constexpr std::int64_t longest_queue = 60'000;

constexpr std::string_view amount_forms =
    "write one as 5r/h (requests), 10mb/d (bytes), 1000u/month (cost units) or 8c";

std::string quote(std::string_view text) { return '"' + std::string(text) + '"'; }

template <class T, std::size_t N>
std::optional<T> value_of(const std::array<Word<T>, N>& words, std::string_view text) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.text == text; });
  return found == words.end() ? std::nullopt : std::optional<T>(found->value);
}

template <class T, std::size_t N>
std::string_view text_of(const std::array<Word<T>, N>& words, T value) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.value == value; });
  return found == words.end() ? std::string_view() : found->text;
}

/// The digits at the beginning, as a number from 1 to `limit`; they are removed from `text`.
std::optional<std::int64_t> take_number(std::string_view& text, std::int64_t limit) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 1 || value > limit || text.front() == '+') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

Result<void, std::string> read_subjects(std::string_view word, Limit& limit) {
  std::string_view rest = word;
  while (true) {
    const std::string_view one = rest.substr(0, rest.find('+'));
    const auto subject = value_of(subjects, one);
    if (!subject)
      return fail("counts by " + quote(one) +
                  "; write tenant, team, agent, user, tool, class or backend, or several joined by +");
    if (std::find(limit.subjects.begin(), limit.subjects.end(), *subject) != limit.subjects.end())
      return fail("names " + quote(one) + " twice");
    limit.subjects.push_back(*subject);
    if (one.size() == rest.size()) break;
    rest.remove_prefix(one.size() + 1);
  }
  std::sort(limit.subjects.begin(), limit.subjects.end());
  return {};
}

Result<void, std::string> read_amount(std::string_view word, Limit& limit) {
  const auto wrong = [&] { return fail("has the amount " + quote(word) + "; " + std::string(amount_forms)); };
  std::string_view rest = word;
  const auto number = take_number(rest, most);
  if (!number) return wrong();
  limit.amount = *number;
  if (rest == "c") {
    limit.kind = LimitKind::concurrent;
    limit.unit = LimitUnit::calls;
    if (*number > most_at_once) return fail("has the amount " + quote(word) + "; at most 10000c can be told apart");
    return {};
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return wrong();
  const auto unit = value_of(units, rest.substr(0, slash));
  const auto period = value_of(periods, rest.substr(slash + 1));
  if (!unit || !period) return wrong();
  limit.unit = unit->unit;
  limit.amount *= unit->factor;
  if (limit.amount > most_bytes) return fail("has the amount " + quote(word) + ", which is more than a petabyte");
  limit.period = *period;
  limit.kind = *period >= LimitPeriod::day ? LimitKind::window : LimitKind::bucket;
  return {};
}

Result<void, std::string> read_queue(std::string_view value, Limit& limit) {
  std::string_view rest = value;
  const auto number = take_number(rest, longest_queue);
  const std::int64_t factor = rest == "ms" ? 1 : rest == "s" || rest.empty() ? 1000 : 0;
  if (!number || factor == 0 || *number * factor > longest_queue)
    return fail("has queue=" + std::string(value) + "; write a time of at most a minute, as queue=5s or queue=200ms");
  limit.queue = Milliseconds(*number * factor);
  return {};
}

Result<void, std::string> read_warn(std::string_view value, Limit& limit) {
  std::string_view rest = value;
  while (true) {
    const auto percent = take_number(rest, 100);
    if (!percent || (!rest.empty() && rest.front() != ','))
      return fail("has warn=" + std::string(value) + "; write percentages from 1 to 100, as warn=80,100");
    limit.warn.push_back(static_cast<int>(*percent));
    if (rest.empty()) break;
    rest.remove_prefix(1);
  }
  std::sort(limit.warn.begin(), limit.warn.end());
  limit.warn.erase(std::unique(limit.warn.begin(), limit.warn.end()), limit.warn.end());
  return {};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Result<void, std::string> read_option(std::string_view word, Limit& limit) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  const bool bucket = limit.kind == LimitKind::bucket;
  if (word == "window") {
    if (limit.kind == LimitKind::concurrent) return fail(std::string("has \"window\", and calls at once have none"));
    limit.kind = LimitKind::window;
    return {};
  }
  if (key == "burst") {
    if (!bucket)
      return fail(std::string("has burst=, which only a bucket has: an amount for s, m or h without \"window\""));
    const auto number = take_number(value, limit.unit == LimitUnit::bytes ? most_bytes : most);
    if (!number || !value.empty()) return fail(quote(word) + ": write a number, as burst=10");
    limit.burst = *number;
    return {};
  }
  if (key == "queue") {
    if (!bucket)
      return fail(std::string("has queue=, which only a bucket has: an amount for s, m or h without \"window\""));
    return read_queue(value, limit);
  }
  if (key == "warn") {
    if (limit.kind != LimitKind::window)
      return fail(std::string("has warn=, which only a window has: an amount for d or month, or \"window\" before it"));
    return read_warn(value, limit);
  }
  if (key == "name") {
    if (!is_name(value)) return fail(quote(word) + ": write up to 64 letters, digits and . _ -");
    limit.name = value;
    return {};
  }
  return fail("has the unknown word " + quote(word) + "; write burst=N, queue=TIME, warn=PERCENT, name=NAME or window");
}

}  // namespace

std::string_view to_string(LimitSubject subject) noexcept { return text_of(subjects, subject); }

std::int64_t length_of(LimitPeriod period) noexcept {
  switch (period) {
    case LimitPeriod::second: return 1'000;
    case LimitPeriod::minute: return 60'000;
    case LimitPeriod::hour: return 3'600'000;
    case LimitPeriod::day: return 86'400'000;
    case LimitPeriod::month: return std::int64_t{30} * 86'400'000;
  }
  return 1'000;
}

std::string Limit::id() const {
  std::string out = place + ':';
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (i > 0) out += '+';
    out += to_string(subjects[i]);
  }
  out += ':';
  switch (unit) {
    case LimitUnit::requests: out += 'r'; break;
    case LimitUnit::bytes: out += 'b'; break;
    case LimitUnit::cost: out += 'u'; break;
    case LimitUnit::calls: return out + 'c';
  }
  out += '/';
  out += text_of(periods, period);
  // A bucket's counter and a window's don't mean the same.
  if (kind == LimitKind::window && period < LimitPeriod::day) out += "/window";
  return out;
}

Result<Limit, std::string> parse_limit(std::span<const std::string_view> words) {
  Limit out;
  if (words.size() < 2) return fail("says nothing; " + std::string(amount_forms) + " after whose calls are counted");
  if (auto read = read_subjects(words[0], out); !read) return fail(read.error());
  if (auto read = read_amount(words[1], out); !read) return fail(read.error());
  for (const std::string_view word : words.subspan(2))
    if (auto read = read_option(word, out); !read) return fail(read.error());
  for (std::size_t i = 0; i < out.subjects.size(); ++i) {
    if (i > 0) out.text += '+';
    out.text += to_string(out.subjects[i]);
  }
  out.text += ' ';
  out.text += words[1];
  if (out.kind == LimitKind::window && out.period < LimitPeriod::day) out.text += " window";
  if (out.kind == LimitKind::window && (out.burst > 0 || out.queue.count() > 0))
    return fail(std::string("has burst= or queue= beside \"window\"; only a bucket has them"));
  if (out.kind == LimitKind::bucket && out.burst == 0) out.burst = out.amount;
  if (out.kind == LimitKind::bucket && std::max(out.burst, out.amount) > most_level / length_of(out.period))
    return fail("is more than a bucket can count exactly; add \"window\", or write it for a shorter time");
  if (out.name.empty()) out.name = out.text;
  return out;
}

Result<Limit, std::string> parse_limit(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parse_limit(words);
}

std::string write_limit(const Limit& limit) {
  std::string out = limit.text;
  if (limit.kind == LimitKind::bucket && limit.burst != limit.amount) out += " burst=" + std::to_string(limit.burst);
  if (limit.queue.count() > 0) out += " queue=" + std::to_string(limit.queue.count()) + "ms";
  for (std::size_t i = 0; i < limit.warn.size(); ++i) {
    out += i == 0 ? " warn=" : ",";
    out += std::to_string(limit.warn[i]);
  }
  if (limit.name != limit.text) out += " name=" + limit.name;
  return out;
}

}  // namespace agw
