// From tokens to the tape.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

#include "tape.h"

namespace agw::json {

/// What a reader needs besides the tape, kept from text to text.
struct Workspace {
  Room<Node> open;  ///< children of containers that aren't closed yet
  std::vector<std::uint64_t> keys;
};

/// One pass over one text by recursive descent; the depth is bounded by the limits.
class Reader {
 public:
  /// `starts`: where the tokens of tape.text begin (Structure).
  Reader(Tape& tape, Workspace& workspace, std::span<const std::uint32_t> starts, const Limits& limits);

  /// The tape's last node is the root, or why the text is refused.
  [[nodiscard]] Result<void, Error> read();

 private:
  [[nodiscard]] bool done() const noexcept { return at_ == end_; }
  [[nodiscard]] char front() const noexcept { return text_[*at_]; }
  /// The token at at_ without the white space behind it; moves on.
  std::string_view take_token() noexcept;

  bool stop(Error error) noexcept;
  bool take_punctuation(char wanted) noexcept;
  bool read_value(Node& node, unsigned depth);
  bool read_object(Node& node, unsigned depth);
  bool read_array(Node& node, unsigned depth);
  bool read_key(Node& node);
  bool read_string(Node& node);
  bool read_number(Node& node);
  bool read_word(Node& node, Kind kind, std::string_view word);
  void push(const Node& node) noexcept;
  void close(Node& node, std::uint32_t first_open) noexcept;
  void place(Node& node, std::string_view token) const noexcept;

  struct Inside {
    std::string_view raw;
    bool escaped;
  };
  /// Between the quotes of the string at at_.
  bool take_string(Node* node, Inside& inside) noexcept;
  [[nodiscard]] bool has_escape(std::uint32_t begin, std::uint32_t end) noexcept;
  bool resolve_key(Node& node, std::string_view inside) noexcept;

  Tape& tape_;
  Workspace& workspace_;
  const Limits& limits_;
  const std::string_view text_;
  const std::uint32_t* at_;
  const std::uint32_t* const end_;
  std::uint32_t open_ = 0;         ///< nodes in workspace_.open
  std::uint32_t nodes_ = 0;        ///< values begun
  std::uint32_t next_escape_ = 0;  ///< no backslash lies between the last string and here
  Error error_ = Error::invalid;
};

}  // namespace agw::json
