// Strict JSON, read once into a flat tape of spans over the original bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

namespace agw::json {

enum class Kind : std::uint8_t { object, array, string, number, boolean, null };

/// Why a text is refused. key_lookalike: two keys of one object differ only in case or Unicode
/// folding (ſ for s, K for k, full-width forms …). nul: a NUL character anywhere, also as an
/// escape in a value, since what reads C strings would read another value.
enum class Error : std::uint8_t { invalid, utf8, too_deep, too_large, number, key_duplicate, key_lookalike, nul };
[[nodiscard]] std::string_view to_string(Error error) noexcept;

struct Limits {
  std::size_t max_bytes = 16U << 20;  ///< at most 1 GiB
  unsigned max_depth = 64;            ///< of arrays and objects; at most 512
  std::size_t max_nodes = 1U << 20;
  /// Objects nested deeper may have keys twice, and look-alikes: for texts of which only the upper levels are acted by.
  unsigned keys_depth = 512;
  /// Numbers of any size, NUL and half surrogate pairs as escapes may stand in values: for texts that are passed on.
  bool any_values = false;
};

class Document;
class Value;

/// Names that a reader knows, made ready once to be compared with the keys of many texts. Views of
/// what was given.
class Names {
 public:
  explicit Names(std::span<const std::string_view> names);

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  /// The place among the names of the one under which `member` stands, to the byte; none if it is
  /// another.
  [[nodiscard]] std::size_t find(const Value& member) const noexcept;

 private:
  friend class Value;
  struct Entry {
    std::string_view name;
    std::uint32_t hash;
  };
  std::vector<Entry> entries_;
};

/// A view of one value; valid until the document reads again, and as long as the text lives.
class Value {
 public:
  class Iterator;

  [[nodiscard]] Kind kind() const noexcept;
  /// The value's own bytes in the original text (a string with its quotes).
  [[nodiscard]] std::string_view raw() const noexcept;
  /// A string's characters with escapes resolved; empty for other kinds. Valid like the Value;
  /// a string without escapes is a span of the original text.
  [[nodiscard]] std::string_view text() const noexcept;
  /// A number that is an integer in the interoperable range ±(2^53−1), written without fraction
  /// or exponent, and not as `-0`.
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  /// A number of any size written as an integer: digits, perhaps after a minus sign.
  [[nodiscard]] bool is_written_as_integer() const noexcept;
  [[nodiscard]] std::optional<bool> boolean() const noexcept;
  /// A member of an object by the exact bytes of its (unescaped) name.
  [[nodiscard]] std::optional<Value> member(std::string_view name) const noexcept;
  /// Nested members.
  [[nodiscard]] std::optional<Value> at(std::initializer_list<std::string_view> path) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;  ///< members or elements
                                                    /// The i-th member or element; its key() is set in an object.
  [[nodiscard]] Value child(std::size_t index) const noexcept;
  /// Members or elements in the order of the text.
  [[nodiscard]] Iterator begin() const noexcept;
  [[nodiscard]] Iterator end() const noexcept;
  /// The unescaped name under which this value stands in its object.
  [[nodiscard]] std::string_view key() const noexcept;
  [[nodiscard]] bool is(Kind kind_wanted) const noexcept { return kind() == kind_wanted; }
  /// A member whose name folds to `name` but isn't its exact bytes.
  [[nodiscard]] bool has_lookalike_of(std::string_view name) const noexcept;
  /// The first of `names` of which some member is a look-alike; empty if none is.
  [[nodiscard]] std::string_view lookalike_among(const Names& names) const noexcept;

 private:
  friend class Document;
  friend class Names;
  Value(const Document* document, std::uint32_t node) noexcept : document_(document), node_(node) {}
  const Document* document_;
  std::uint32_t node_;
};

class Value::Iterator {
 public:
  using value_type = Value;
  using difference_type = std::ptrdiff_t;
  [[nodiscard]] Value operator*() const noexcept { return value_; }
  Iterator& operator++() noexcept {
    ++value_.node_;
    return *this;
  }
  Iterator operator++(int) noexcept {
    Iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Iterator& left, const Iterator& right) noexcept {
    return left.value_.node_ == right.value_.node_;
  }

 private:
  friend class Value;
  explicit Iterator(Value value) noexcept : value_(value) {}
  Value value_;
};

/// The parser and its tape, reused from call to call by one worker; not shared. Memory of an
/// unusually large text is given back with the next text of usual size.
class Document {
 public:
  Document();
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  /// One JSON text, surrounded by white space at most. Every value is checked, also those nobody
  /// asks for. The text must stay alive and unchanged while Values are used. Its memory need not
  /// be padded.
  [[nodiscard]] Result<Value, Error> read(std::string_view text, const Limits& limits);

 private:
  friend class Value;
  friend class Names;
  struct State;
  std::unique_ptr<State> state_;
};

/// The key under which look-alikes collide. Characters are folded one by one: by simple case (what
/// Go's and Java's readers do, the Turkish i and ı among them), and compatibility forms of Latin
/// letters (full-width, mathematical …) to ASCII; invisible ones vanish. Nothing is composed or
/// decomposed: no reader known to match keys loosely does that. `key` is valid UTF-8.
[[nodiscard]] std::string fold_key(std::string_view key);

}  // namespace agw::json
