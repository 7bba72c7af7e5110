// What is counted for each call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "agw/gateway/call.h"
#include "agw/io/zone.h"

namespace agw::gateway {

/// Labels come from the configuration and from closed lists; the cells are looked up once per
/// worker and kept.
class CallMetrics {
 public:
  explicit CallMetrics(Metrics& metrics);
  void count(const Call& call, Reason reason, std::int64_t overhead_us);
  /// What lists in its answer showed, and what not.
  void count_items(const Call& call);

 private:
  using Key = std::pair<const void*, Reason>;
  static constexpr std::array<std::int64_t, 10> bounds_us{25,    50,    100,    250,     500,
                                                          1'000, 5'000, 25'000, 100'000, 1'000'000};

  Metrics& metrics_;
  std::map<Key, Metrics::Cell*> decisions_;
  std::array<Metrics::Cell*, bounds_us.size() + 1> buckets_{};
  Metrics::Cell& overhead_sum_;
  Metrics::Cell& overhead_count_;
  Metrics::Cell& items_shown_;
  Metrics::Cell& items_hidden_;
};

}  // namespace agw::gateway
