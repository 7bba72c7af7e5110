// `ticket:<id>`: the resource of a call, made of its judged arguments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/model/reason.h"

namespace agw::policy {

/// Where a placeholder's value comes from: one JSON value as text, or why there is none.
class Arguments {
 public:
  virtual ~Arguments() = default;
  /// `path`: the placeholder's parts (`<filter/id>` → filter, id). The raw bytes of a string or
  /// the decimal digits of an integer; argument_missing or argument_invalid otherwise. An empty
  /// string is argument_invalid.
  [[nodiscard]] virtual Result<std::string_view, Reason> find(const std::vector<std::string>& path) const = 0;
};

/// Literal text and placeholders; parsed at load, immutable.
class ResourceTemplate {
 public:
  /// Message says what is wrong and what to write.
  [[nodiscard]] static Result<ResourceTemplate, std::string> parse(std::string_view text);
  /// Appends the resource; each value percent-encoded (encode_part), so that it can be neither a
  /// wildcard nor a separator.
  [[nodiscard]] Result<void, Reason> expand(const Arguments& arguments, std::string& out) const;
  [[nodiscard]] const std::vector<std::vector<std::string>>& placeholders() const noexcept { return placeholders_; }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::vector<std::string> literals_;  ///< one more than placeholders_
  std::vector<std::vector<std::string>> placeholders_;
};

}  // namespace agw::policy
