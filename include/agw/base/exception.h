// What an exception that was caught says.
#pragma once

#include <exception>

namespace agw {

/// For logs and details. Valid as long as `error` holds the exception, which isn't copied.
[[nodiscard]] inline const char* text_of(const std::exception_ptr& error) noexcept {
  try {
    if (error) std::rethrow_exception(error);
    return "none";
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "of an unknown type";
  }
}

}  // namespace agw
