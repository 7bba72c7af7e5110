// What is wrong with keys of the store, said once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agw/base/digest.h"
#include "agw/io/log.h"

namespace agw {

/// A line for each key and what is wrong with it, not for each call that meets it: the next one when it is something
/// else, or was well in between.
class Complaints {
 public:
  explicit Complaints(Log& log) noexcept : log_(log) {}

  /// `what` names the key; `so` is what follows from it.
  void broken(std::string_view key, std::string_view what, std::string_view so) {
    if (const auto known = said_.find(key); known != said_.end()) {
      if (known->second == what) return;
      said_.erase(known);
    }
    if (said_.size() >= most) said_.clear();
    said_.emplace(key, what);
    log_.write(LogLevel::error, "agent_store: " + std::string(what) + "; " + std::string(so));
  }
  void whole(std::string_view key) noexcept {
    if (said_.empty()) return;
    if (const auto known = said_.find(key); known != said_.end()) said_.erase(known);
  }
  [[nodiscard]] bool any() const noexcept { return !said_.empty(); }

 private:
  static constexpr std::size_t most = 1024;
  Log& log_;
  std::unordered_map<std::string, std::string, StringHash, std::equal_to<>> said_;
};

}  // namespace agw
