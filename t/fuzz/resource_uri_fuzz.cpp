// Patterns of resources line by line; the last line is the URI, or the template, that is asked for.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/mcp/resource_uri.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

void check_found(const mcp::UriRoutes& routes, const std::vector<mcp::UriPattern>& patterns, std::string_view uri) {
  const auto found = routes.find(uri);
  if (!found) return;
  expect(mcp::is_canonical_uri(uri), "only canonical URIs have a route");
  const std::string_view resource = uri.substr(0, uri.find('?'));
  expect(resource.find("/../") == std::string_view::npos && resource.find("%2F") == std::string_view::npos &&
             uri.find('#') == std::string_view::npos,
         "nobody reads another path in it");
  const mcp::UriPattern& pattern = patterns[found->route];
  const auto captures = pattern.match(uri);
  expect(captures && captures->size() == found->captures.size(), "the route's own pattern matches");
  for (const auto& capture : found->captures) {
    expect(!capture.value.empty() && agw::is_utf8(capture.value), "a segment has a value");
    expect(capture.value.find('/') == std::string::npos && capture.value.find('\0') == std::string::npos,
           "a segment is one segment");
  }
  // Nobody who leaves the query out comes to another's resource.
  const auto bare = routes.find(resource);
  if (bare) expect(bare->route == found->route, "a query leads to nobody else's resource");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  mcp::UriRoutes routes;
  std::vector<mcp::UriPattern> patterns;
  while (true) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    auto pattern = mcp::UriPattern::parse(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (!pattern) {
      expect(!pattern.error().empty(), "what is wrong with a pattern is said");
      continue;
    }
    if (routes.add(*pattern, static_cast<std::uint32_t>(patterns.size()))) patterns.push_back(*std::move(pattern));
  }
  check_found(routes, patterns, text);
  const auto of_template = routes.find_template(text);
  // Without an expression a template is a URI, and belongs where it belongs.
  if (of_template && !mcp::is_uri_template(text)) {
    const auto found = routes.find(text);
    expect(!found || found->route == *of_template, "a URI is a template of itself");
  }
  return 0;
}
