// Counters as Prometheus reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace agw::nginx {

struct MetricSample {
  std::string_view series;  ///< the whole sample key: name, then labels in braces if it has any
  std::uint64_t value = 0;
};

/// Prometheus' text format 0.0.4: families in alphabetical order, each with its help and type from
/// the table in metrics_text.cpp, the buckets of a histogram by their bounds. Buckets count
/// everything up to their bound; the sum of a family in seconds is kept in microseconds.
[[nodiscard]] std::string metrics_text(const std::vector<MetricSample>& samples);

}  // namespace agw::nginx
