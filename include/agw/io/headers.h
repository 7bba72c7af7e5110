// A request's header fields as the core sees them.
#pragma once

#include <string_view>

namespace agw {

/// The fields of one request, as sent; names compare without case (RFC 9110 section 5.1).
/// Underscore variants and odd names are listed too.
class Headers {
 public:
  virtual ~Headers() = default;
  /// The value if the field was sent exactly once; otherwise `count` tells.
  [[nodiscard]] virtual std::string_view get(std::string_view name) const noexcept = 0;
  [[nodiscard]] virtual unsigned count(std::string_view name) const noexcept = 0;
  /// Calls visit(context, name, value) for each field in order.
  using Visit = void (*)(void* context, std::string_view name, std::string_view value);
  virtual void each(Visit visit, void* context) const = 0;
};

}  // namespace agw
