#include "agw/rest/path.h"

#include "agw/base/encoding.h"

namespace agw::rest {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// RFC 3986 section 2.3.
bool is_unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// What may stand in a path segment as it is (RFC 3986 section 3.3), less `;`: some servers cut
/// parameters off there.
bool is_segment_byte(unsigned char c) {
  constexpr std::string_view others = "!$&'()*+,=:@";
  return is_unreserved(c) || others.find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_hex(char c) { return hex_value(c) >= 0; }

bool is_upper_hex(char c) { return is_hex(c) && !(c >= 'a' && c <= 'f'); }

/// The byte of the escape at the front, if it stands in its one canonical form.
std::optional<char> canonical_escape(std::string_view text) {
  if (text.size() < 3 || !is_upper_hex(text[1]) || !is_upper_hex(text[2])) return std::nullopt;
  const auto byte = static_cast<unsigned char>(hex_value(text[1]) * 16 + hex_value(text[2]));
  if (byte < 0x20 || byte == 0x7F || is_unreserved(byte)) return std::nullopt;
  if (byte == '/' || byte == '\\' || byte == ';') return std::nullopt;
  // An escaped escape: who decodes twice reads another path.
  if (byte == '%' && text.size() >= 5 && is_hex(text[3]) && is_hex(text[4])) return std::nullopt;
  return static_cast<char>(byte);
}

/// Removes one byte of a path in its raw form, and what it stands for from the decoded form.
bool take_byte(std::string_view& raw, std::string_view& decoded) {
  char byte = raw.front();
  std::size_t length = 1;
  if (byte == '%') {
    const auto escaped = canonical_escape(raw);
    if (!escaped) return false;
    byte = *escaped;
    length = 3;
  } else if (byte != '/' && !is_segment_byte(static_cast<unsigned char>(byte))) {
    return false;
  }
  if (decoded.empty() || decoded.front() != byte) return false;
  raw.remove_prefix(length);
  decoded.remove_prefix(1);
  return true;
}

/// No empty segment but the last, and none that a reader would resolve.
bool has_plain_segments(std::string_view path) {
  while (true) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    if (segment.empty()) return false;
    path.remove_prefix(slash);
  }
}

bool decode_query(std::string_view text, std::string& out) {
  out.clear();
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      if (text.size() - i < 3) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      // RFC 3986 section 3.4: nothing else may stand there as it is.
      if (static_cast<unsigned char>(text[i]) <= 0x20 || static_cast<unsigned char>(text[i]) >= 0x7F) return false;
      out += text[i];
    }
  }
  return is_utf8(out) && out.find('\0') == std::string::npos;
}

}  // namespace

bool is_canonical(std::string_view raw, std::string_view decoded) {
  if (!raw.starts_with('/') || !is_utf8(decoded)) return false;
  // Escaped dots and slashes aren't canonical, so the decoded path has the segments of the raw one.
  const std::string_view path = decoded;
  while (!raw.empty())
    if (!take_byte(raw, decoded)) return false;
  return decoded.empty() && has_plain_segments(path);
}

std::optional<std::vector<QueryParameter>> parse_query(std::string_view query) {
  std::vector<QueryParameter> out;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    QueryParameter parameter;
    if (!decode_query(pair.substr(0, equals), parameter.name)) return std::nullopt;
    if (equals != std::string_view::npos && !decode_query(pair.substr(equals + 1), parameter.value))
      return std::nullopt;
    out.push_back(std::move(parameter));
  }
  return out;
}

}  // namespace agw::rest
