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

/// `/api/tickets/<id>/comments/<n>`: literal segments and whole-segment names.
struct Template {
  std::string method;  ///< upper case, a token; `GET` also covers HEAD
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

/// Immutable after load. A literal segment wins over a name; matching costs O(segments) steps
/// whatever the number of templates.
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
