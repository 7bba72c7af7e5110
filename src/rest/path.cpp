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
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/// What may stand in a path segment as it is (RFC 3986 section 3.3), less `;`: some servers cut
/// parameters off there.
bool is_segment_byte(unsigned char c) {
  constexpr std::string_view others = "!$&'()*+,=:@";
  return is_unreserved(c) || others.find(static_cast<char>(c)) != std::string_view::npos;
}

/// The byte of an escape that stands in its one canonical form; -1 otherwise.
int canonical_escape(std::string_view text) {
  if (text.size() < 3) return -1;
  const auto upper = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  if (!upper(text[1]) || !upper(text[2])) return -1;
  const int byte = hex_value(text[1]) * 16 + hex_value(text[2]);
  const bool dangerous = byte < 0x20 || byte == 0x7F || byte == '/' || byte == '\\';
  if (dangerous || is_unreserved(static_cast<unsigned char>(byte))) return -1;
  return byte;
}

bool decode_query(std::string_view text, std::string& out) {
  out.clear();
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
      out += text[i];
    }
  }
  return is_utf8(out) && out.find('\0') == std::string::npos;
}

}  // namespace

bool is_canonical(std::string_view raw, std::string_view decoded) {
  if (!raw.starts_with('/')) return false;
  std::string canonical;
  canonical.reserve(raw.size());
  std::size_t segment_at = 1;
  for (std::size_t i = 0; i <= raw.size(); ++i) {
    if (i == raw.size() || raw[i] == '/') {
      if (i > 0) {
        const std::string_view segment = raw.substr(segment_at, i - segment_at);
        // A slash at the very end is a segment of its own name, not an empty one in between.
        if ((segment.empty() && i < raw.size()) || segment == "." || segment == "..") return false;
      }
      if (i == raw.size()) break;
      segment_at = i + 1;
      canonical += '/';
      continue;
    }
    if (raw[i] == '%') {
      const int byte = canonical_escape(raw.substr(i));
      if (byte < 0) return false;
      canonical += static_cast<char>(byte);
      i += 2;
      continue;
    }
    if (!is_segment_byte(static_cast<unsigned char>(raw[i]))) return false;
    canonical += raw[i];
  }
  return is_utf8(canonical) && canonical == decoded;
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
    if (equals != std::string_view::npos && !decode_query(pair.substr(equals + 1), parameter.value)) return std::nullopt;
    out.push_back(std::move(parameter));
  }
  return out;
}

}  // namespace agw::rest
