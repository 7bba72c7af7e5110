// Changes of a text that leave every other byte as it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/json/document.h"

namespace agw::response {

/// Collected in any order, applied once. What lies within a part that is taken out goes with it.
class Splices {
 public:
  /// `size` bytes at `at` become `text`; 0 bytes: it is put there.
  void replace(std::size_t at, std::size_t size, std::string text) {
    list_.push_back({at, size, list_.size(), std::move(text)});
  }
  void remove(std::size_t at, std::size_t size) { replace(at, size, {}); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  void clear() noexcept { list_.clear(); }

  /// Nothing where two of them contradict each other, or one isn't within the text.
  [[nodiscard]] std::optional<std::string> apply(std::string_view text);

 private:
  struct Splice {
    std::size_t at;
    std::size_t size;
    std::size_t order;
    std::string text;
  };
  std::vector<Splice> list_;
};

/// Where a value's own bytes begin in the text that it was read from.
[[nodiscard]] inline std::size_t place_of(const json::Value& value, std::string_view text) noexcept {
  return static_cast<std::size_t>(value.raw().data() - text.data());
}

/// Puts `member` (`"name":value`) into an object.
void insert_member(const json::Value& object, std::string_view text, std::string member, Splices& splices);

/// Bytes of a text.
struct Range {
  std::size_t at = 0;
  std::size_t size = 0;
};

/// What has to go, in order and apart from each other, for elements of an array to be gone with the commas that they
/// need no longer. `taken[i]`: of the i-th.
[[nodiscard]] std::vector<Range> ranges_of(const json::Value& array, std::string_view text,
                                           const std::vector<bool>& taken);

/// The i-th member of an object, with the comma that it needs no longer.
[[nodiscard]] Range member_range(const json::Value& object, std::size_t index, std::string_view text);

/// Takes elements of an array out, with the commas that they need no longer. `taken[i]`: of the i-th.
void remove_elements(const json::Value& array, std::string_view text, const std::vector<bool>& taken, Splices& splices);

}  // namespace agw::response
