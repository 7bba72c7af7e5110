// What was asked for lately.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace agw::identity {

/// Bounded; what was used longest ago goes first. Keys are digests: no client can aim at a bucket.
template <class T>
class Recent {
 public:
  explicit Recent(std::size_t max) : max_(max) {}

  /// Valid until the next put(); null: it isn't known.
  [[nodiscard]] T* find(const std::string& key) {
    const auto known = index_.find(key);
    if (known == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, known->second);
    return &known->second->second;
  }

  void put(const std::string& key, T value) {
    if (T* const known = find(key)) {
      *known = std::move(value);
      return;
    }
    std::list<std::pair<std::string, T>> made;
    made.emplace_front(key, std::move(value));
    index_.emplace(key, made.begin());
    order_.splice(order_.begin(), made);
    if (order_.size() <= max_) return;
    index_.erase(order_.back().first);
    order_.pop_back();
  }

  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

 private:
  std::size_t max_;
  std::list<std::pair<std::string, T>> order_;
  std::unordered_map<std::string, typename std::list<std::pair<std::string, T>>::iterator> index_;
};

}  // namespace agw::identity
