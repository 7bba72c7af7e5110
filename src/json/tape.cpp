#include "tape.h"

#include "token.h"

namespace agw::json {

void Tape::resolve(Node& node) noexcept {
  // The reader has checked the escapes.
  node.first = unescaped_size;
  node.size = static_cast<std::uint32_t>(
      unescape(inside_of(node), unescaped.data() + unescaped_size, Escapes::any).value_or(0));
  unescaped_size += node.size;
}

}  // namespace agw::json
