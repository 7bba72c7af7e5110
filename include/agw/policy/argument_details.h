// A call's arguments, as conditions ask for them, for whoever can look one up.
#pragma once

#include <optional>
#include <string>

#include "agw/policy/call_details.h"

namespace agw::policy {

/// What stands under an argument's name: text (whole numbers too), true or false, or nothing. Both where what was
/// written has no type of its own.
struct ArgumentValue {
  std::optional<std::string> text{};
  std::optional<bool> truth{};
  bool certain = true;  ///< false: nobody can tell what is there, and whether anything is

  /// Of a path, a query or a command line.
  [[nodiscard]] static ArgumentValue untyped(std::string text);
};

class ArgumentDetails : public CallDetails {
 public:
  using CallDetails::CallDetails;
  [[nodiscard]] Answered<std::string_view> argument(const ArgumentPath& path) const final;
  [[nodiscard]] Answered<bool> flag(const ArgumentPath& path) const final;
  [[nodiscard]] Answered<bool> has(const ArgumentPath& path) const final;

 private:
  /// Null: which arguments there are isn't said. What it points to stays where it is: answers are views of it.
  [[nodiscard]] virtual const ArgumentValue* find(const ArgumentPath& path) const = 0;
};

}  // namespace agw::policy
