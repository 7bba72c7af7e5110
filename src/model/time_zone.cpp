#include "agw/model/time_zone.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

namespace agw {
namespace {

constexpr std::int64_t day_seconds = 86'400;
constexpr std::size_t most_bytes = 256U << 10;
constexpr std::size_t most_zones = 2048;
constexpr std::array folders{"/usr/share/zoneinfo/", "/usr/lib/zoneinfo/", "/usr/share/lib/zoneinfo/"};

/// Names lead nowhere but into the database.
bool is_zone_name(std::string_view name) {
  const auto is_part_byte = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '-';
  };
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.back() == '/' ||
      name.find("//") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return c == '/' || is_part_byte(c); });
}

/// Big-endian numbers of a file, one after the other.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  [[nodiscard]] bool good() const noexcept { return good_; }
  std::string_view take(std::size_t size) noexcept {
    if (size > text_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = text_.substr(0, size);
    text_.remove_prefix(size);
    return out;
  }
  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint32_t word() noexcept { return static_cast<std::uint32_t>(number(4)); }
  std::int32_t signed_word() noexcept { return static_cast<std::int32_t>(word()); }
  std::int64_t signed_long() noexcept { return static_cast<std::int64_t>(number(8)); }
  [[nodiscard]] std::string_view rest() const noexcept { return text_; }

 private:
  std::uint64_t number(std::size_t size) noexcept {
    std::uint64_t out = 0;
    for (const char c : take(size)) out = (out << 8) | static_cast<unsigned char>(c);
    return out;
  }
  std::string_view text_;
  bool good_ = true;
};

struct Header {
  std::uint8_t version = 0;
  std::uint32_t universal = 0;
  std::uint32_t standard = 0;
  std::uint32_t leaps = 0;
  std::uint32_t times = 0;
  std::uint32_t types = 0;
  std::uint32_t letters = 0;

  [[nodiscard]] std::size_t size(std::size_t time_bytes) const noexcept {
    return times * (time_bytes + 1) + std::size_t{types} * 6 + letters + leaps * (time_bytes + 4) + standard +
           universal;
  }
};

std::optional<Header> read_header(Bytes& in) {
  if (in.take(4) != "TZif") return std::nullopt;
  Header out;
  out.version = in.byte();
  static_cast<void>(in.take(15));
  out.universal = in.word();
  out.standard = in.word();
  out.leaps = in.word();
  out.times = in.word();
  out.types = in.word();
  out.letters = in.word();
  for (const auto count : {out.universal, out.standard, out.leaps, out.times, out.types, out.letters})
    if (count > most_bytes) return std::nullopt;
  if (!in.good() || out.types == 0) return std::nullopt;
  return out;
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`: POSIX TZ with RFC 8536's extended hours.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  std::optional<TimeZone::Rule> read() {
    TimeZone::Rule out;
    if (!skip_name()) return std::nullopt;
    const auto standard = time();
    if (!standard) return std::nullopt;
    out.standard = -*standard;
    if (text_.empty()) return out;
    if (!skip_name()) return std::nullopt;
    out.summer = out.standard + 3600;
    if (!text_.empty() && text_.front() != ',') {
      const auto summer = time();
      if (!summer) return std::nullopt;
      out.summer = -*summer;
    }
    const auto begin = change();
    const auto end = change();
    if (!begin || !end || !text_.empty()) return std::nullopt;
    out.changes.emplace(*begin, *end);
    return out;
  }

 private:
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool skip_name() {
    if (take('<')) {
      const std::size_t end = text_.find('>');
      if (end == std::string_view::npos) return false;
      text_.remove_prefix(end + 1);
      return true;
    }
    const std::size_t end = std::min(text_.find_first_of("+-0123456789,"), text_.size());
    text_.remove_prefix(end);
    return end >= 3;
  }
  std::optional<std::int32_t> number(std::int32_t most) {
    std::int32_t out = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9' && digits < 4; ++digits)
      out = out * 10 + (text_[digits] - '0');
    text_.remove_prefix(digits);
    if (digits == 0 || out > most) return std::nullopt;
    return out;
  }
  /// `-1`, `5:30`, `2:00:00`, up to a week.
  std::optional<std::int32_t> time() {
    const bool negative = take('-');
    if (!negative) static_cast<void>(take('+'));
    const auto hours = number(167);
    if (!hours) return std::nullopt;
    std::int32_t out = *hours * 3600;
    for (const std::int32_t unit : {60, 1}) {
      if (!take(':')) break;
      const auto part = number(59);
      if (!part) return std::nullopt;
      out += *part * unit;
    }
    return negative ? -out : out;
  }
  std::optional<TimeZone::Change> change() {
    using Form = TimeZone::Change::Form;
    TimeZone::Change out;
    if (!take(',')) return std::nullopt;
    if (take('M')) {
      const auto month = number(12);
      if (!month || *month < 1 || !take('.')) return std::nullopt;
      const auto week = number(5);
      if (!week || *week < 1 || !take('.')) return std::nullopt;
      const auto day = number(6);
      if (!day) return std::nullopt;
      out.month = *month;
      out.week = *week;
      out.day = *day;
    } else {
      out.form = take('J') ? Form::julian : Form::day;
      const auto day = number(365);
      if (!day || (out.form == Form::julian && *day < 1)) return std::nullopt;
      out.day = *day;
    }
    if (!take('/')) return out;
    const auto second = time();
    if (!second) return std::nullopt;
    out.second = *second;
    return out;
  }

  std::string_view text_;
};

std::int64_t days_since_1970(std::chrono::year_month_day day) {
  return std::chrono::sys_days(day).time_since_epoch().count();
}

/// The day of the change in that year, in days since 1970.
std::int64_t day_of(const TimeZone::Change& change, std::chrono::year year) {
  using Form = TimeZone::Change::Form;
  namespace chrono = std::chrono;
  const std::int64_t first = days_since_1970(year / chrono::January / 1);
  switch (change.form) {
    // The 60th is always the first of March: leap days aren't counted.
    case Form::julian: return first + change.day - 1 + (year.is_leap() && change.day >= 60 ? 1 : 0);
    case Form::day: return first + change.day;
    case Form::month: break;
  }
  const chrono::month month(static_cast<unsigned>(change.month));
  const chrono::weekday weekday(static_cast<unsigned>(change.day));
  const chrono::year_month_day day =
      change.week == 5
          ? chrono::year_month_day(chrono::sys_days(year / month / weekday[chrono::last]))
          : chrono::year_month_day(chrono::sys_days(year / month / weekday[static_cast<unsigned>(change.week)]));
  return days_since_1970(day);
}

std::int32_t offset_by(const TimeZone::Rule& rule, std::int64_t seconds) {
  if (!rule.changes) return rule.standard;
  namespace chrono = std::chrono;
  const auto local = chrono::floor<chrono::days>(chrono::sys_seconds(chrono::seconds(seconds + rule.standard)));
  const chrono::year year = chrono::year_month_day(local).year();
  // Each change is told in the time that holds before it.
  const std::int64_t begin =
      day_of(rule.changes->first, year) * day_seconds + rule.changes->first.second - rule.standard;
  const std::int64_t end = day_of(rule.changes->second, year) * day_seconds + rule.changes->second.second - rule.summer;
  // South of the equator a year begins in summer.
  const bool summer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
  return summer ? rule.summer : rule.standard;
}

std::optional<std::string> read_zone(std::string_view name) {
  for (const char* folder : folders) {
    std::ifstream file(folder + std::string(name), std::ios::binary);
    if (!file) continue;
    std::string out(most_bytes, '\0');
    file.read(out.data(), static_cast<std::streamsize>(out.size()));
    if (file.bad() || file.gcount() <= 0 || static_cast<std::size_t>(file.gcount()) == most_bytes) continue;
    out.resize(static_cast<std::size_t>(file.gcount()));
    return out;
  }
  return std::nullopt;
}

/// What the system says of its zones: immutable, so that it doesn't matter who asked first.
struct Known {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const TimeZone>, std::less<>> zones;
};

Known& known() {
  static Known zones;
  return zones;
}

}  // namespace

std::shared_ptr<const TimeZone> TimeZone::find(std::string_view name) {
  if (!is_zone_name(name)) return nullptr;
  const std::lock_guard lock(known().mutex);
  auto& zones = known().zones;
  if (const auto found = zones.find(name); found != zones.end()) return found->second;
  const auto bytes = read_zone(name);
  if (!bytes) return nullptr;
  auto parsed = parse(name, *bytes);
  if (!parsed) return nullptr;
  auto zone = std::make_shared<const TimeZone>(*std::move(parsed));
  if (zones.size() < most_zones) zones.emplace(name, zone);
  return zone;
}

Result<TimeZone, std::string> TimeZone::parse(std::string_view name, std::string_view bytes) {
  Bytes in(bytes);
  auto header = read_header(in);
  if (!header) return fail(std::string("is no TZif file"));
  std::size_t time_bytes = 4;
  if (header->version >= '2') {
    static_cast<void>(in.take(header->size(time_bytes)));
    time_bytes = 8;
    header = read_header(in);
    if (!header) return fail(std::string("has no second part"));
  }
  TimeZone out;
  out.name_ = name;
  Bytes times(in.take(header->times * time_bytes));
  Bytes indexes(in.take(header->times));
  Bytes types(in.take(std::size_t{header->types} * 6));
  static_cast<void>(in.take(header->letters + header->leaps * (time_bytes + 4) + header->standard + header->universal));
  if (!in.good()) return fail(std::string("ends too early"));
  // Leap seconds (of the folder "right") would count what no wall clock shows.
  if (header->leaps != 0) return fail(std::string("counts leap seconds"));
  std::vector<std::int32_t> offsets;
  for (std::uint32_t i = 0; i < header->types; ++i) {
    offsets.push_back(types.signed_word());
    static_cast<void>(types.take(2));
    if (offsets.back() < -93'600 || offsets.back() > 93'600) return fail(std::string("has an impossible offset"));
  }
  out.first_ = offsets.front();
  for (std::uint32_t i = 0; i < header->times; ++i) {
    const std::int64_t at = time_bytes == 8 ? times.signed_long() : times.signed_word();
    const std::uint8_t index = indexes.byte();
    if (index >= offsets.size()) return fail(std::string("names a type that it doesn't have"));
    if (!out.transitions_.empty() && at <= out.transitions_.back().at) return fail(std::string("isn't in order"));
    out.transitions_.push_back({at, offsets[index]});
  }
  if (time_bytes == 8) {
    std::string_view footer = in.rest();
    if (!footer.starts_with('\n') || footer.find('\n', 1) == std::string_view::npos)
      return fail(std::string("has no rule"));
    footer = footer.substr(1, footer.find('\n', 1) - 1);
    if (!footer.empty()) {
      out.rule_ = RuleReader(footer).read();
      if (!out.rule_) return fail(std::string("has a rule that can't be read"));
    }
  }
  return out;
}

std::int32_t TimeZone::offset(WallTime time) const noexcept {
  // A clock that shows more than the calendar has is no reason to compute nonsense.
  constexpr std::int64_t furthest = 253'402'300'799;
  const std::int64_t seconds =
      std::clamp(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(), -furthest / 4, furthest);
  const auto after = std::upper_bound(transitions_.begin(), transitions_.end(), seconds,
                                      [](std::int64_t at, const Transition& one) { return at < one.at; });
  if (after == transitions_.end() && rule_) return offset_by(*rule_, seconds);
  return after == transitions_.begin() ? first_ : std::prev(after)->offset;
}

LocalTime TimeZone::local(WallTime time) const noexcept {
  const std::int64_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count() + offset(time);
  const std::int64_t day = seconds >= 0 ? seconds / day_seconds : -((-seconds + day_seconds - 1) / day_seconds);
  LocalTime out;
  out.second = static_cast<std::int32_t>(seconds - day * day_seconds);
  out.weekday = static_cast<int>(((day + 3) % 7 + 7) % 7);  // 1970 began on a Thursday
  return out;
}

}  // namespace agw
