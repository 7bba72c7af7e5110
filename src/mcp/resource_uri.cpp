#include "agw/mcp/resource_uri.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "agw/base/encoding.h"

namespace agw::mcp {
namespace {

/// Stand for the expressions of a template; no URI holds such bytes.
constexpr char one_segment = '\x01';
constexpr char anything = '\x02';

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

bool is_unreserved(char c) {
  return is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/// What may stand in a path segment as it is (RFC 3986 section 3.3).
bool is_segment_byte(char c) {
  return is_unreserved(c) || std::string_view("!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The octet that is encoded at `at`, where a `%` stands; -1 if it is none in upper case.
int octet_at(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// Decodes the octets that `wanted` takes.
template <class Wanted>
std::string decoded(std::string_view text, Wanted wanted) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int octet = text[i] == '%' ? octet_at(text, i) : -1;
    if (octet < 0 || !wanted(static_cast<char>(octet))) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(octet);
    i += 2;
  }
  return out;
}

struct UriParts {
  std::string_view scheme;
  std::optional<std::string_view> authority;
  std::string_view path;
  std::optional<std::string_view> query;
};

std::optional<UriParts> parts_of(std::string_view uri) {
  UriParts out;
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  out.scheme = uri.substr(0, colon);
  uri.remove_prefix(colon + 1);
  if (const std::size_t mark = uri.find('?'); mark != std::string_view::npos) {
    out.query = uri.substr(mark + 1);
    uri = uri.substr(0, mark);
  }
  if (uri.starts_with("//")) {
    uri.remove_prefix(2);
    const std::size_t end = std::min(uri.find('/'), uri.size());
    out.authority = uri.substr(0, end);
    uri.remove_prefix(end);
  }
  out.path = uri;
  return out;
}

bool is_scheme(std::string_view text) {
  return is_lower(text.front()) && std::ranges::all_of(text, [](char c) {
           return is_lower(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
         });
}

/// Of these, readers know more than RFC 3986 says: they fold the host.
bool is_special(std::string_view scheme) {
  constexpr std::array<std::string_view, 6> special{"http", "https", "ws", "wss", "ftp", "file"};
  return std::ranges::find(special, scheme) != special.end();
}

/// Encoded octets stand for bytes that need it and mean nothing else when they are decoded.
bool are_octets_canonical(std::string_view text, bool in_path) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    const int octet = octet_at(text, i);
    if (octet < 0x20 || octet == 0x7F || is_unreserved(static_cast<char>(octet))) return false;
    if (in_path && (octet == '/' || octet == '\\')) return false;
    i += 2;
  }
  return is_utf8(decoded(text, [](char) { return true; }));
}

template <class Allowed>
bool holds_only(std::string_view text, Allowed allowed) {
  return std::ranges::all_of(
      text, [&](char c) { return c == '%' || c == one_segment || c == anything || is_segment_byte(c) || allowed(c); });
}

/// Parameters of a segment (`..;x`) are cut off by some readers.
bool is_dots(std::string_view segment) {
  segment = segment.substr(0, segment.find(';'));
  return segment == "." || segment == "..";
}

bool are_segments_plain(std::string_view path) {
  // The first slash begins the path; one at the end is a last, empty segment.
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment.empty() || segment.front() == ';' || is_dots(segment)) return false;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return true;
}

/// The same for a template, whose expressions are marks by now.
bool is_canonical(std::string_view uri) {
  const auto parts = parts_of(uri);
  if (!parts || !is_scheme(parts->scheme)) return false;
  const auto nothing_more = [](char) { return false; };
  if (parts->authority) {
    if (!holds_only(*parts->authority, [](char c) { return c == '[' || c == ']'; })) return false;
    if (!are_octets_canonical(*parts->authority, true)) return false;
    // Servers of files take what follows `file://` for a path.
    if (is_dots(*parts->authority)) return false;
    if (is_special(parts->scheme) && std::ranges::any_of(*parts->authority, is_upper)) return false;
  }
  if (!holds_only(parts->path, [](char c) { return c == '/'; }) || !are_octets_canonical(parts->path, true) ||
      !are_segments_plain(parts->path))
    return false;
  if (!parts->query) return true;
  return holds_only(*parts->query, [&](char c) { return c == '/' || c == '?' || nothing_more(c); }) &&
         are_octets_canonical(*parts->query, false);
}

/// `{name}`: RFC 6570's simple expansion of one variable, which encodes every slash.
bool is_simple_expression(std::string_view expression) {
  return !expression.empty() &&
         std::ranges::all_of(expression, [](char c) { return is_unreserved(c) && c != '-' && c != '~'; });
}

/// The template with a mark for each expression; nothing if it is none.
std::optional<std::string> marked(std::string_view uri_template) {
  std::string out;
  while (!uri_template.empty()) {
    const std::size_t open = uri_template.find('{');
    const std::string_view literal = uri_template.substr(0, open);
    if (literal.find_first_of(std::string_view("}\x01\x02")) != std::string_view::npos) return std::nullopt;
    out += literal;
    if (open == std::string_view::npos) break;
    const std::size_t close = uri_template.find('}', open);
    if (close == std::string_view::npos) return std::nullopt;
    out += is_simple_expression(uri_template.substr(open + 1, close - open - 1)) ? one_segment : anything;
    uri_template.remove_prefix(close + 1);
  }
  return out;
}

bool is_captured(char c) { return c == '%' || c == one_segment || is_segment_byte(c); }

bool is_variable_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return is_unreserved(c) && c != '~'; });
}

}  // namespace

bool is_canonical_uri(std::string_view uri) {
  return uri.find_first_of(std::string_view("\x01\x02")) == std::string_view::npos && is_canonical(uri);
}

Result<UriPattern, std::string> UriPattern::parse(std::string_view text) {
  constexpr std::uint16_t named = 256;
  constexpr std::uint16_t star = 257;
  const std::string example = "; write for example docs://guides/<id> or docs://guides/*";
  UriPattern out;
  out.text_ = text;
  out.literals_.emplace_back();
  std::string sample;  // the pattern with a segment in each name's place
  if (text.ends_with('*')) {
    out.open_ = true;
    text.remove_suffix(1);
    if (!text.empty() && std::string_view(":/.").find(text.back()) == std::string_view::npos)
      return fail("has a * that doesn't stand right after a \":\", \"/\" or \".\"" + example);
  }
  while (!text.empty()) {
    const std::size_t begin = text.find('<');
    const std::string_view literal = text.substr(0, begin);
    if (literal.find_first_of("*>{}") != std::string_view::npos)
      return fail("may hold names in <> and a * at its end" + example);
    out.literals_.back() += literal;
    sample += literal;
    for (const char c : literal) out.order_.push_back(static_cast<unsigned char>(c));
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find('>', begin);
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : text.substr(begin + 1, end - begin - 1);
    if (!is_variable_name(name)) return fail("has a \"<\" without a name and \">\"" + example);
    const bool in_path = sample.find('?') == std::string::npos;
    const bool begins = in_path && (sample.ends_with('/') || sample.ends_with(':'));
    const bool ends = end + 1 == text.size() ? !out.open_ : text[end + 1] == '/' || text[end + 1] == '?';
    if (!begins || !ends) return fail("has the name <" + std::string(name) + ">, which is no whole segment" + example);
    if (std::ranges::find(out.names_, name) != out.names_.end())
      return fail("has the name <" + std::string(name) + "> twice" + example);
    out.names_.emplace_back(name);
    out.literals_.emplace_back();
    out.order_.push_back(named);
    sample += 'x';
    text.remove_prefix(end + 1);
  }
  if (out.open_) {
    out.order_.push_back(star);
    if (sample.empty()) return out;
    // What a star stands for begins with some character.
    sample += 'x';
  }
  if (!is_canonical_uri(sample))
    return fail(
        "is no canonical URI: it needs a scheme in lower case, and no fragment, empty or dot segment, or "
        "character that is encoded without need" +
        example);
  return out;
}

std::optional<std::vector<UriCapture>> UriPattern::match(std::string_view uri) const {
  std::vector<UriCapture> captures;
  for (std::size_t i = 0; i < literals_.size(); ++i) {
    if (!uri.starts_with(literals_[i])) return std::nullopt;
    uri.remove_prefix(literals_[i].size());
    if (i == names_.size()) break;
    const auto end = std::ranges::find_if_not(uri, is_captured);
    const std::string_view value(uri.begin(), end);
    if (value.empty()) return std::nullopt;
    captures.push_back({names_[i], decoded(value, [](char) { return true; })});
    uri.remove_prefix(value.size());
  }
  if (!uri.empty() && !open_) return std::nullopt;
  return captures;
}

bool UriRoutes::add(UriPattern pattern, std::uint32_t route) {
  if (pattern.is_exact()) return exact_.emplace(pattern.text(), route).second;
  const auto place =
      std::ranges::find_if(patterns_, [&](const auto& other) { return !other.first.stands_before(pattern); });
  if (place != patterns_.end() && place->first.same_as(pattern)) return false;
  patterns_.emplace(place, std::move(pattern), route);
  return true;
}

std::optional<UriRoutes::Match> UriRoutes::most_specific(std::string_view uri) const {
  if (const auto found = exact_.find(uri); found != exact_.end()) return Match{found->second, {}};
  for (const auto& [pattern, route] : patterns_)
    if (auto captures = pattern.match(uri)) return Match{route, *std::move(captures)};
  return std::nullopt;
}

std::optional<UriRoutes::Match> UriRoutes::find(std::string_view uri) const {
  if (!is_canonical_uri(uri)) return std::nullopt;
  auto found = most_specific(uri);
  if (!found) return std::nullopt;
  const auto is_anothers = [&](std::string_view reading) {
    if (reading == uri) return false;
    const auto other = most_specific(reading);
    return other && other->route != found->route;
  };
  const std::string_view resource = uri.substr(0, uri.find('?'));
  const std::string_view bare = resource.ends_with('/') ? resource.substr(0, resource.size() - 1) : resource;
  if (is_anothers(resource) || is_anothers(bare) || is_anothers(decoded(uri, is_segment_byte)) ||
      is_anothers(decoded(bare, is_segment_byte)))
    return std::nullopt;
  return found;
}

std::optional<std::uint32_t> UriRoutes::find_template(std::string_view uri_template) const {
  const auto marks = marked(uri_template);
  if (!marks || !is_canonical(*marks)) return std::nullopt;
  const auto found = most_specific(*marks);
  if (!found) return std::nullopt;
  return found->route;
}

}  // namespace agw::mcp
