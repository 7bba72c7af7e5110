// A request's header fields as the core sees them.
#pragma once

#include <string_view>

namespace agw {

/// The fields of one request, as sent; names compare without case (RFC 9110 section 5.1).
/// Underscore variants and odd names are listed too.
class Headers {
 public:
  virtual ~Headers() = default;
  struct Found {
    unsigned count = 0;
    std::string_view value{};  ///< if the field was sent exactly once
  };
  /// `name` in lower case.
  [[nodiscard]] virtual Found find(std::string_view name) const noexcept = 0;
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept { return find(name).value; }
  [[nodiscard]] unsigned count(std::string_view name) const noexcept { return find(name).count; }
  /// Calls visit(context, name, value) for each field in order; a name comes as it was sent or in
  /// lower case.
  using Visit = void (*)(void* context, std::string_view name, std::string_view value);
  virtual void each(Visit visit, void* context) const = 0;
};

}  // namespace agw
