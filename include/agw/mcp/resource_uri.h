// URIs of resources, as they are judged: patterns of a route, canonical form, templates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/result.h"

namespace agw::mcp {

/// Whether every careful reader and every careless one take the URI for the same resource: a lower-case scheme, ASCII
/// that RFC 3986 allows, percent-encoding in upper case of what isn't unreserved and of valid UTF-8, no encoded slash,
/// backslash or control character, no empty or dot segment, no fragment, and for http(s), ws(s), ftp and file a
/// lower-case authority.
[[nodiscard]] bool is_canonical_uri(std::string_view uri);

/// One variable of a pattern, and the bytes (percent-decoded) that stand in its place.
struct UriCapture {
  std::string_view name;  ///< lives in the pattern
  std::string value;
};

/// `docs://guides/<id>/text`, `docs://guides/*`: exact bytes, names that stand for one whole path segment each, and at
/// the end perhaps `*`, right after a `:`, `/` or `.`.
class UriPattern {
 public:
  /// The message says what is wrong and what to write.
  [[nodiscard]] static Result<UriPattern, std::string> parse(std::string_view text);

  /// The captures if the canonical `uri` is one of the pattern's.
  [[nodiscard]] std::optional<std::vector<UriCapture>> match(std::string_view uri) const;

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// No name and no `*`: one URI alone.
  [[nodiscard]] bool is_exact() const noexcept { return names_.empty() && !open_; }
  /// Where both match, the one with the longer literal text before what differs stands first, and a name before `*`.
  [[nodiscard]] bool stands_before(const UriPattern& other) const { return order_ < other.order_; }
  /// Both match exactly the same URIs.
  [[nodiscard]] bool same_as(const UriPattern& other) const { return order_ == other.order_; }

 private:
  std::string text_;
  std::vector<std::string> literals_;  ///< one more than names_
  std::vector<std::string> names_;
  bool open_ = false;  ///< ends in `*`
  std::vector<std::uint16_t> order_;
};

/// The resources of one location; immutable after load.
class UriRoutes {
 public:
  struct Match {
    std::uint32_t route = 0;
    std::vector<UriCapture> captures;
  };

  /// False if another pattern matches exactly the same URIs.
  [[nodiscard]] bool add(UriPattern pattern, std::uint32_t route);

  /// The most specific pattern's route. Nothing for a URI that isn't canonical, and for one that less careful servers
  /// take for a resource of another route: with its query left out, without a slash at its end, with characters
  /// decoded that needn't be encoded.
  [[nodiscard]] std::optional<Match> find(std::string_view uri) const;
  /// Of a URI template (RFC 6570): the route to which every resource of it belongs. `{name}` stands for one segment or
  /// a part of it, every other expression for whatever only `*` takes. Its captures have no values.
  [[nodiscard]] std::optional<std::uint32_t> find_template(std::string_view uri_template) const;
  [[nodiscard]] bool empty() const noexcept { return exact_.empty() && patterns_.empty(); }

 private:
  [[nodiscard]] std::optional<Match> most_specific(std::string_view uri) const;

  std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>> exact_;
  std::vector<std::pair<UriPattern, std::uint32_t>> patterns_;  ///< in the order of stands_before
};

/// Whether the text holds an expression of a URI template.
[[nodiscard]] inline bool is_uri_template(std::string_view uri) noexcept {
  return uri.find('{') != std::string_view::npos;
}

}  // namespace agw::mcp
