// Method and path template to operation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

namespace agw::rest {

/// `/api/tickets/<id>/comments/<n>`: literal segments, decoded, and whole-segment names. A slash at
/// the end is a last, empty literal: `/tickets/` and `/tickets` are two paths.
struct Template {
  std::string method;                 ///< upper case; `GET` also covers HEAD, which has no template of its own
  std::vector<std::string> segments;  ///< a name stands as `<name>`
};

/// What is wrong with a template, for `nginx -t`.
struct TemplateError {
  std::string message;
};
[[nodiscard]] Result<Template, TemplateError> parse_template(std::string_view method, std::string_view path);

struct Capture {
  std::string_view name;   ///< lives in the router
  std::string_view value;  ///< decoded bytes, lives in the path given to match()
};

struct Match {
  std::uint32_t index = 0;  ///< of the template, in the order of add()
  std::vector<Capture> captures;
};

/// Immutable after load. A literal segment wins over a name where both lead to a template of the
/// method. Matching costs a look-up for each segment, whatever the number of templates; where a
/// literal and a name stand side by side, both ways may be tried.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  /// Refused if another template matches exactly the same requests.
  [[nodiscard]] Result<std::uint32_t, TemplateError> add(const Template& item);
  /// `path`: decoded, canonical. Nothing if no template matches.
  [[nodiscard]] std::optional<Match> match(std::string_view method, std::string_view path) const;
  /// Whether some template matches the path with another method (405 instead of 404).
  [[nodiscard]] bool path_known(std::string_view path) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
  std::uint32_t count_ = 0;
};

}  // namespace agw::rest
