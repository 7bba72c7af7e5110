#include "agw/grants/redis_url.h"

#include <algorithm>
#include <charconv>

namespace agw::grants {
namespace {

constexpr unsigned max_db = 65535;
constexpr std::uint16_t sentinel_port = 26379;
constexpr std::uint16_t redis_port = 6379;
constexpr std::size_t max_listed = 16;
constexpr std::size_t max_host = 255;
/// What may stand in an IPv6 address, and in a name or another address.
constexpr std::string_view beside_digits = ".:";
constexpr std::string_view beside_letters = "._-";

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::unexpected<std::string> wrong(const std::string& message) {
  return fail(message + "; write for example redis://127.0.0.1:6379/0 password_file=/run/secrets/redis");
}

bool is_host(std::string_view text, std::string_view beside_alphanumerics) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           beside_alphanumerics.find(c) != std::string_view::npos;
  });
}

Result<RedisAddress, std::string> parse_unix(std::string_view rest) {
  // However many slashes lead it, it is the same file.
  while (rest.starts_with("//")) rest.remove_prefix(1);
  RedisAddress out;
  const std::size_t question = rest.find('?');
  out.unix_path = rest.substr(0, question);
  if (!out.unix_path.starts_with('/')) return wrong("the socket's path must be absolute");
  std::string_view query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view item = query.substr(0, end);
    if (item.starts_with("db=")) {
      if (!parse_number(item.substr(3), out.db) || out.db > max_db) return wrong("the database must be a number");
    } else if (item.starts_with("user=") && item.size() > 5) {
      out.user = item.substr(5);
    } else {
      return wrong("only db= and user= may follow the socket's path");
    }
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  return out;
}

/// Cuts `USER@` off.
Result<std::string, std::string> take_user(std::string_view& rest) {
  const std::size_t at = rest.find('@');
  if (at == std::string_view::npos) return std::string();
  const std::string_view user = rest.substr(0, at);
  if (user.find(':') != std::string_view::npos)
    return wrong("a password doesn't belong into the address, but into a file (password_file=)");
  if (user.empty()) return wrong("the user before the @ is missing");
  rest.remove_prefix(at + 1);
  return std::string(user);
}

Result<unsigned, std::string> parse_db(std::string_view text) {
  unsigned db = 0;
  if (!text.empty() && (!parse_number(text, db) || db > max_db))
    return wrong("the database after the / must be a number");
  return db;
}

/// `HOST[:PORT]`
Result<RedisPlace, std::string> parse_place(std::string_view rest, std::uint16_t usual_port) {
  RedisPlace out;
  out.port = usual_port;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return wrong("the bracket of the IPv6 address isn't closed");
    out.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) return wrong("only :PORT may follow the host");
    port = rest;
  } else {
    const std::size_t colon = rest.find(':');
    out.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  if (out.host.empty()) return wrong("the host is missing");
  const bool bracketed = out.host.find(':') != std::string::npos;
  if (out.host.size() > max_host || !is_host(out.host, bracketed ? beside_digits : beside_letters))
    return wrong("the host must be a name or an address, an IPv6 one in brackets");
  if (!port.empty() && (!parse_number(port.substr(1), out.port) || out.port == 0))
    return wrong("the port must be a number from 1 to 65535");
  return out;
}

/// `HOST[:PORT],…`, each once. `example` follows what is wrong with the list.
Result<std::vector<RedisPlace>, std::string> parse_places(std::string_view rest, std::uint16_t usual_port,
                                                          std::string_view what, std::string_view example) {
  std::vector<RedisPlace> out;
  while (true) {
    const std::size_t comma = rest.find(',');
    auto place = parse_place(rest.substr(0, comma), usual_port);
    if (!place) return fail(std::move(place.error()));
    if (std::find(out.begin(), out.end(), *place) != out.end())
      return fail("the " + std::string(what) + " " + place->text() + " stands twice" + std::string(example));
    out.push_back(*std::move(place));
    if (out.size() > max_listed) return fail("there are too many " + std::string(what) + "s" + std::string(example));
    if (comma == std::string_view::npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

Result<RedisAddress, std::string> parse_sentinels(std::string_view rest, bool tls) {
  RedisAddress out;
  out.tls = tls;
  constexpr std::string_view example =
      "; write for example redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/mymaster "
      "password_file=/run/secrets/redis";
  const auto wrong = [&](const std::string& message) { return fail(message + std::string(example)); };
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return wrong("the name that the Sentinels know is missing after the /");
  std::string_view name = rest.substr(slash + 1);
  rest = rest.substr(0, slash);
  if (const std::size_t db = name.find('/'); db != std::string_view::npos) {
    const auto number = parse_db(name.substr(db + 1));
    if (!number) return fail(number.error());
    out.db = *number;
    name = name.substr(0, db);
  }
  if (!is_host(name, beside_letters)) return wrong("the name that the Sentinels know is letters, digits, . _ and -");
  out.master = name;
  auto user = take_user(rest);
  if (!user) return fail(std::move(user.error()));
  out.user = *std::move(user);
  auto places = parse_places(rest, sentinel_port, "Sentinel", example);
  if (!places) return fail(std::move(places.error()));
  out.sentinels = *std::move(places);
  return out;
}

Result<RedisAddress, std::string> parse_cluster(std::string_view rest, bool tls) {
  RedisAddress out;
  out.tls = tls;
  constexpr std::string_view example =
      "; write for example redis+cluster://10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379 "
      "password_file=/run/secrets/redis";
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('/') != std::string_view::npos)
    return fail("a Cluster has one database, without a number" + std::string(example));
  auto user = take_user(rest);
  if (!user) return fail(std::move(user.error()));
  out.user = *std::move(user);
  auto places = parse_places(rest, redis_port, "node", example);
  if (!places) return fail(std::move(places.error()));
  out.seeds = *std::move(places);
  return out;
}

}  // namespace

std::string RedisPlace::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<RedisPlace> read_place(std::string_view host, std::string_view port) {
  RedisPlace out;
  const bool v6 = host.find(':') != std::string_view::npos;
  if (host.size() > max_host || !is_host(host, v6 ? beside_digits : beside_letters)) return std::nullopt;
  if (!parse_number(port, out.port) || out.port == 0) return std::nullopt;
  out.host = host;
  return out;
}

std::string RedisAddress::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path + "?db=" + std::to_string(db);
  std::string out = tls ? "rediss" : "redis";
  out += !seeds.empty() ? "+cluster://" : sentinels.empty() ? "://" : "+sentinel://";
  if (!user.empty()) out += user + "@";
  if (!fails_over()) return out + RedisPlace{host, port}.text() + "/" + std::to_string(db);
  for (const RedisPlace& seed : seeds) out += (&seed == seeds.data() ? "" : ",") + seed.text();
  if (!seeds.empty()) return out;
  for (const RedisPlace& sentinel : sentinels) out += (&sentinel == sentinels.data() ? "" : ",") + sentinel.text();
  return out + "/" + master + "/" + std::to_string(db);
}

Result<RedisAddress, std::string> parse_redis_url(std::string_view url) {
  const auto unprintable = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; };
  if (std::any_of(url.begin(), url.end(), unprintable))
    return wrong("the address must not hold spaces or control characters");
  for (const std::string_view scheme : {"unix:", "redis+unix:"})
    if (url.starts_with(scheme)) {
      std::string_view rest = url.substr(scheme.size());
      if (rest.starts_with("//")) rest.remove_prefix(2);
      return parse_unix(rest);
    }
  for (const std::string_view scheme : {"redis+sentinel://", "rediss+sentinel://"})
    if (url.starts_with(scheme)) return parse_sentinels(url.substr(scheme.size()), scheme.starts_with("rediss"));
  for (const std::string_view scheme : {"redis+cluster://", "rediss+cluster://"})
    if (url.starts_with(scheme)) return parse_cluster(url.substr(scheme.size()), scheme.starts_with("rediss"));
  RedisAddress out;
  std::string_view rest = url;
  if (rest.starts_with("rediss://")) {
    out.tls = true;
    rest.remove_prefix(9);
  } else if (rest.starts_with("redis://")) {
    rest.remove_prefix(8);
  } else {
    return wrong("the address must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix:");
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    const auto db = parse_db(rest.substr(slash + 1));
    if (!db) return fail(db.error());
    out.db = *db;
    rest = rest.substr(0, slash);
  }
  auto user = take_user(rest);
  if (!user) return fail(std::move(user.error()));
  out.user = *std::move(user);
  auto place = parse_place(rest, out.port);
  if (!place) return fail(std::move(place.error()));
  out.host = std::move(place->host);
  out.port = place->port;
  return out;
}

}  // namespace agw::grants
