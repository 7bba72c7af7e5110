// Lists of words as OAuth writes them.
#pragma once

#include <string>
#include <vector>

namespace agw::gateway {

/// With one space between two (RFC 6749 section 3.3).
[[nodiscard]] inline std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

}  // namespace agw::gateway
