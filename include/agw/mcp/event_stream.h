// A stream of server-sent events (WHATWG HTML, section 9.2), read as it comes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agw::mcp {

/// `text/event-stream`, with parameters or without; compared without case.
[[nodiscard]] bool is_event_stream(std::string_view content_type) noexcept;

/// Cuts a stream into blocks, whatever the pieces in which it comes: an event with the empty line that ends it, or a
/// comment line that stands outside of one, which has nothing to wait for. All blocks together are the stream, byte by
/// byte. It holds no more than one block, and that only while it isn't whole.
class EventSplitter {
 public:
  /// `most_bytes`: of one block.
  explicit EventSplitter(std::size_t most_bytes) noexcept : most_(most_bytes) {}

  /// The next whole block; what was looked at is taken off the front of `bytes`. Nothing: the rest of `bytes` is kept,
  /// or the block is larger than it may be (overflowed). A view of `bytes` or of this, valid until the next call.
  [[nodiscard]] std::optional<std::string_view> next(std::string_view& bytes);
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

  /// Whether everything up to here was given out.
  [[nodiscard]] bool at_boundary() const noexcept { return held_.empty() || given_; }
  /// What has come of a block that isn't whole: at the end of the stream no more comes.
  [[nodiscard]] std::string_view rest() const noexcept { return held_; }

 private:
  [[nodiscard]] std::size_t find_end(std::string_view bytes) noexcept;
  void begin_block() noexcept;

  std::size_t most_;
  std::string held_;
  bool given_ = false;  ///< what is held was given out by the last call
  bool overflowed_ = false;
  // Where the block stands that is being looked for.
  bool line_empty_ = true;  ///< no byte of the line so far
  bool comment_ = false;  ///< the line began with a colon
  bool fields_ = false;  ///< a line of the block was no comment
  bool after_cr_ = false;  ///< a line feed that follows belongs to the line before
};

/// How many bytes at the front of `bytes`, which begin between two blocks, are whole ones: up to the last empty line.
/// 0: none, or none that a look at line feeds shows.
[[nodiscard]] std::size_t whole_blocks(std::string_view bytes) noexcept;

/// What one block says.
struct Event {
  std::string_view data;  ///< the lines of `data`, joined by line feeds; a span of the block where there is one
  bool has_data = false;
  std::size_t lines = 0;  ///< of `data`
};

/// `joined` holds data of several lines.
[[nodiscard]] Event read_event(std::string_view block, std::string& joined);

/// The block with other data: every other line stays as it is. The new data stands where the first line of the old one
/// stood. `data` has no carriage return; where it is empty, none is left: then it is no event that anybody is told of,
/// but its id counts.
[[nodiscard]] std::string with_data(std::string_view block, std::string_view data);

}  // namespace agw::mcp
