#include "cursor.h"

#include <algorithm>
#include <array>
#include <string>

#include "agw/base/encoding.h"

namespace agw::audit {
namespace {

bool plain(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

/// The character at the front, or one byte that belongs to none.
std::string_view front_of(std::string_view text) noexcept {
  const auto byte = static_cast<unsigned char>(text[0]);
  const std::size_t size = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
  const std::string_view whole = text.substr(0, size);
  return is_utf8(whole) ? whole : text.substr(0, 1);
}

}  // namespace

void Cursor::escape(std::string_view value) noexcept {
  std::array<char, max_string + cut_mark> escaped;
  std::size_t size = 0;
  std::string piece;  // six bytes at most: it never allocates
  for (std::string_view rest = value; !rest.empty();) {
    const auto end = std::find_if_not(rest.begin(), rest.end(), plain);
    std::size_t taken = static_cast<std::size_t>(end - rest.begin());
    std::string_view out = rest.substr(0, taken);
    bool whole = true;
    if (taken == 0) {
      const std::string_view character = front_of(rest);
      taken = character.size();
      piece.clear();
      append_json_escaped(piece, character);
      out = piece;
      whole = size + out.size() <= max_string;
    } else if (size + out.size() > max_string) {
      out = out.substr(0, max_string - size);
      std::memcpy(escaped.data() + size, out.data(), out.size());
      size += out.size();
      whole = false;
    }
    if (!whole) {
      std::memcpy(escaped.data() + size, "\xE2\x80\xA6", cut_mark);
      size += cut_mark;
      break;
    }
    std::memcpy(escaped.data() + size, out.data(), out.size());
    size += out.size();
    rest.remove_prefix(taken);
  }
  const std::size_t planned = std::min(value.size(), max_string + cut_mark);
  const std::size_t more = size > planned ? size - planned : 0;
  if (more > spare_) {
    overflowed_ = true;
    return;
  }
  spare_ -= more;
  std::memcpy(at_, escaped.data(), size);
  at_ += size;
}

}  // namespace agw::audit
