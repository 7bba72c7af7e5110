// What an exception that was caught says, and a thread that is ready for one.
#pragma once

#include <exception>
#include <new>

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

/// The C++ runtime's data of a thread is made when it first throws or looks for an exception. Were
/// that one of exhausted memory, glibc would end the process instead of letting the call be denied:
/// each thread calls this when it begins.
inline void prepare_for_exceptions() noexcept {
  try {
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace agw
