// Paths, templates and queries. Lines: a path template, another one, a raw path, a query.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/rest/path.h"
#include "agw/rest/router.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;
using fuzz::take_line;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// What a lax server makes of a path.
std::string decoded(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '%' && raw.size() - i > 2 && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0) {
      out += static_cast<char>(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
      i += 2;
    } else {
      out += raw[i];
    }
  }
  return out;
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> out{""};
  for (char c : path.substr(1)) {
    if (c == '/') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

void check_path(std::string_view raw) {
  const std::string path = decoded(raw);
  if (!rest::is_canonical(raw, path)) return;
  // Decoding a second time, resolving dots or cutting parameters off changes nothing.
  expect(decoded(path) == path && is_utf8(path));
  const auto segments = segments_of(path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    expect(segments[i] != "." && segments[i] != "..");
    expect(!segments[i].empty() || i + 1 == segments.size());
  }
  for (char c : path) expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\' && c != ';');
  expect(segments.size() == segments_of(raw).size());
}

/// Each template by itself, without a tree.
bool fits(const rest::Template& item, const std::vector<std::string>& path) {
  if (item.segments.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool name = item.segments[i].starts_with('<');
    if (name ? path[i].empty() : item.segments[i] != path[i]) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  rest::Router router;
  std::vector<rest::Template> templates;
  for (int i = 0; i < 2; ++i) {
    const auto item = rest::parse_template(i == 0 ? "GET" : "POST", take_line(text));
    if (!item) {
      expect(!item.error().message.empty());
      continue;
    }
    expect(item->segments.size() <= 64);
    const auto index = router.add(*item);
    expect(index && *index == templates.size());
    templates.push_back(*item);
    expect(!router.add(*item));
  }
  const std::string_view raw = take_line(text);
  check_path(raw);
  const std::string path = decoded(raw);
  for (const std::string_view method : {"GET", "HEAD", "POST", "PUT"}) {
    std::optional<std::size_t> wanted;
    for (std::size_t i = 0; i < templates.size(); ++i) {
      const bool by_method = templates[i].method == method || (method == "HEAD" && templates[i].method == "GET");
      if (by_method && path.starts_with('/') && fits(templates[i], segments_of(path))) wanted = i;
    }
    const auto match = router.match(method, path);
    expect(match.has_value() == wanted.has_value());
    if (!match) continue;
    expect(match->index == *wanted && router.path_known(path));
    for (const auto& capture : match->captures) {
      expect(!capture.value.empty() && capture.value.find('/') == std::string_view::npos);
      expect(capture.value.data() >= path.data() &&
             capture.value.data() + capture.value.size() <= path.data() + path.size());
    }
  }
  if (const auto query = rest::parse_query(text))
    for (const auto& parameter : *query)
      expect(is_utf8(parameter.name) && is_utf8(parameter.value) && parameter.value.find('\0') == std::string::npos);
  return 0;
}
