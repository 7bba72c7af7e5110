// Strict JSON, read once into a flat tape of spans over the original bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

namespace agw::json {

enum class Kind : std::uint8_t { object, array, string, number, boolean, null };

/// Why a text is refused. `key_duplicate` also covers two keys of one object that differ only in
/// case or Unicode folding (ſ for s, K for k, full-width forms …).
enum class Error : std::uint8_t { invalid, utf8, too_deep, too_large, number, key_duplicate, nul };
[[nodiscard]] std::string_view to_string(Error error) noexcept;

struct Limits {
  std::size_t max_bytes = 16U << 20;
  unsigned max_depth = 64;
  std::size_t max_nodes = 1U << 20;
};

class Document;

/// A view of one value; valid until the document reads again, and as long as the text lives.
class Value {
 public:
  [[nodiscard]] Kind kind() const noexcept;
  /// The value's own bytes in the original text (a string with its quotes).
  [[nodiscard]] std::string_view raw() const noexcept;
  /// A string's characters with escapes resolved; empty for other kinds. Valid like the Value.
  [[nodiscard]] std::string_view text() const noexcept;
  /// A number that is an integer in the interoperable range ±(2^53−1), written without fraction
  /// or exponent.
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  [[nodiscard]] std::optional<bool> boolean() const noexcept;
  /// A member of an object by the exact bytes of its (unescaped) name.
  [[nodiscard]] std::optional<Value> member(std::string_view name) const noexcept;
  /// Nested members.
  [[nodiscard]] std::optional<Value> at(std::initializer_list<std::string_view> path) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;  ///< members or elements
  /// The i-th member or element; its key() is set in an object.
  [[nodiscard]] Value child(std::size_t index) const noexcept;
  /// The unescaped name under which this value stands in its object.
  [[nodiscard]] std::string_view key() const noexcept;
  [[nodiscard]] bool is(Kind kind_wanted) const noexcept { return kind() == kind_wanted; }
  /// A member whose name folds to `name` but isn't its exact bytes.
  [[nodiscard]] bool has_lookalike_of(std::string_view name) const noexcept;

 private:
  friend class Document;
  Value(const Document* document, std::uint32_t node) noexcept : document_(document), node_(node) {}
  const Document* document_;
  std::uint32_t node_;
};

/// The parser and its tape, reused from call to call by one worker; not shared.
class Document {
 public:
  Document();
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  /// One JSON text, surrounded by white space at most. Every value is checked, also those nobody
  /// asks for. The text must stay alive and unchanged while Values are used.
  [[nodiscard]] Result<Value, Error> read(std::string_view text, const Limits& limits);

 private:
  friend class Value;
  struct State;
  std::unique_ptr<State> state_;
};

/// The key under which look-alikes collide: ASCII lower case, and simple Unicode case folding and
/// compatibility forms of Latin letters mapped to ASCII.
[[nodiscard]] std::string fold_key(std::string_view key);

}  // namespace agw::json
