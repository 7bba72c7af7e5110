// Text of a store or a file, made safe for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace agw::agwctl {

/// Control characters and invalid UTF-8 are escaped as in JSON; quotes and backslashes stay.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace agw::agwctl
