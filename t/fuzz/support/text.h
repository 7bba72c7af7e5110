// What several fuzzers need.
#pragma once

#include <cstdlib>
#include <string_view>

namespace agw::fuzz {

inline void expect(bool true_claim) {
  if (!true_claim) std::abort();
}

/// The first line, taken off.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return line;
}

}  // namespace agw::fuzz
