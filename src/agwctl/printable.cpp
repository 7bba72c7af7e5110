#include "printable.h"

#include "agw/base/encoding.h"

namespace agw::agwctl {

std::string printable(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find_first_of("\"\\");
    append_json_escaped(out, text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += text[end];
    text.remove_prefix(end + 1);
  }
}

}  // namespace agw::agwctl
