// Columns for people.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace agw::agwctl {

/// Rows under a heading, each cell made safe for a terminal, columns as wide as they need.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }
  /// As many cells as the heading has.
  void add(const std::vector<std::string>& cells);
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// `a, b, c`.
[[nodiscard]] std::string joined(const std::vector<std::string>& values, const char* between = ", ");

}  // namespace agw::agwctl
