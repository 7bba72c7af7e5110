// What belongs to patterns, found by a text that they match.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"

namespace agw::policy {

/// Patterns are exact, or prefixes that end in `*`. A look-up costs one hash for the exact ones and
/// one for each prefix length in use, whatever their number.
template <class Value>
class PatternMap {
 public:
  /// The pattern's value, made empty if there is none.
  Value& operator[](std::string_view pattern) {
    if (!pattern.ends_with('*')) return exact_[std::string(pattern)];
    pattern.remove_suffix(1);
    const auto at = std::lower_bound(lengths_.begin(), lengths_.end(), pattern.size());
    if (at == lengths_.end() || *at != pattern.size()) lengths_.insert(at, pattern.size());
    return prefixes_[std::string(pattern)];
  }

  /// Calls visit(const Value&) for each pattern that matches `text`.
  template <class Visit>
  void for_each(std::string_view text, Visit&& visit) const {
    if (const auto it = exact_.find(text); it != exact_.end()) visit(it->second);
    for (const std::size_t length : lengths_) {
      if (length > text.size()) break;
      if (const auto it = prefixes_.find(text.substr(0, length)); it != prefixes_.end()) visit(it->second);
    }
  }

  /// Calls visit(Value&) for each pattern.
  template <class Visit>
  void for_all(Visit&& visit) {
    for (auto& [pattern, value] : exact_) visit(value);
    for (auto& [prefix, value] : prefixes_) visit(value);
  }

 private:
  using Map = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;
  Map exact_;
  Map prefixes_;                      ///< by the pattern without its `*`
  std::vector<std::size_t> lengths_;  ///< of the prefixes; ascending, unique
};

}  // namespace agw::policy
