#include "agw/grants/redis_url.h"

#include <algorithm>
#include <charconv>

namespace agw::grants {
namespace {

constexpr unsigned max_db = 65535;

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

}  // namespace

std::string RedisAddress::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path + "?db=" + std::to_string(db);
  std::string out = tls ? "rediss://" : "redis://";
  if (!user.empty()) out += user + "@";
  const bool v6 = host.find(':') != std::string::npos;
  out += v6 ? "[" + host + "]" : host;
  return out + ":" + std::to_string(port) + "/" + std::to_string(db);
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
  RedisAddress out;
  std::string_view rest = url;
  if (rest.starts_with("rediss://")) {
    out.tls = true;
    rest.remove_prefix(9);
  } else if (rest.starts_with("redis://")) {
    rest.remove_prefix(8);
  } else {
    return wrong("the address must begin with redis://, rediss:// or unix:");
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view db = rest.substr(slash + 1);
    if (!db.empty() && (!parse_number(db, out.db) || out.db > max_db))
      return wrong("the database after the / must be a number");
    rest = rest.substr(0, slash);
  }
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    if (user.find(':') != std::string_view::npos)
      return wrong("a password doesn't belong into the address, but into a file (password_file=)");
    if (user.empty()) return wrong("the user before the @ is missing");
    out.user = user;
    rest.remove_prefix(at + 1);
  }
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
  if (!is_host(out.host, bracketed ? ".:" : "._-"))
    return wrong("the host must be a name or an address, an IPv6 one in brackets");
  if (!port.empty() && (!parse_number(port.substr(1), out.port) || out.port == 0))
    return wrong("the port must be a number from 1 to 65535");
  return out;
}

}  // namespace agw::grants
