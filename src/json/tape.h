// The values of one text, flat.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "agw/json/document.h"

namespace agw::json {

/// One value. Offsets, so that 32 bytes hold it; no initial values, so that fresh memory costs
/// nothing before it is used.
struct Node {
  std::uint32_t begin;  ///< of its bytes in the text
  std::uint32_t end;
  std::uint32_t key_begin;  ///< of its name: in the text, or in what was unescaped
  std::uint32_t key_size;
  std::uint32_t key_hash;  ///< equal for names that fold alike
  std::uint32_t first;     ///< of a container's children on the tape, or a string's place among the unescaped
  std::uint32_t size;      ///< children, or an unescaped string's bytes; `unresolved` until somebody asks for them
  Kind kind;
  bool key_unescaped;
  bool text_unescaped;
};
inline constexpr std::uint32_t unresolved = 0xFFFFFFFF;

/// Memory that grows, is not cleared, and is given back when far larger than needed.
template <class T>
class Room {
 public:
  /// At least `size` elements; their old content is lost if it has to grow.
  void need(std::size_t size, std::size_t kept) {
    const bool wasteful = capacity_ > kept && size <= kept;
    if (size <= capacity_ && !wasteful) return;
    // Never more than is kept for a text of which it is kept: the next such text would make it anew.
    const std::size_t ample = size + size / 2;
    const std::size_t grown = size <= kept ? std::min(ample, kept) : ample;
    data_.reset();
    capacity_ = 0;
    data_ = std::make_unique_for_overwrite<T[]>(grown);
    capacity_ = grown;
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] T* data() noexcept { return data_.get(); }
  [[nodiscard]] const T* data() const noexcept { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t capacity_ = 0;
};

/// Children of one container lie side by side, after all their own descendants; the root is last.
struct Tape {
  std::string_view text;
  Room<Node> nodes;
  Room<char> unescaped;
  std::uint32_t size = 0;
  std::uint32_t unescaped_size =
      0;  ///< bytes in use; resolving never makes a string longer, so the text's size is room

  [[nodiscard]] std::string_view key_of(const Node& node) const noexcept {
    return {(node.key_unescaped ? unescaped.data() : text.data()) + node.key_begin, node.key_size};
  }
  /// A string's inside, as it is in the text.
  [[nodiscard]] std::string_view inside_of(const Node& node) const noexcept {
    return text.substr(node.begin + 1, node.end - node.begin - 2);
  }
  /// Escapes are resolved when they are asked for: of a large message hardly any string is.
  [[nodiscard]] std::string_view text_of(Node& node) noexcept {
    if (node.kind != Kind::string) return {};
    if (!node.text_unescaped) return inside_of(node);
    if (node.size == unresolved) resolve(node);
    return {unescaped.data() + node.first, node.size};
  }

 private:
  void resolve(Node& node) noexcept;
};

}  // namespace agw::json
