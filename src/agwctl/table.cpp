#include "table.h"

#include <algorithm>

#include "printable.h"

namespace agw::agwctl {
namespace {

/// Characters, not bytes: UTF-8's continuation bytes take no room.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void Table::add(const std::vector<std::string>& cells) {
  std::vector<std::string> safe;
  safe.reserve(cells.size());
  for (const auto& cell : cells) safe.push_back(printable(cell));
  rows_.push_back(std::move(safe));
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  for (const auto& row : rows_) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

std::string joined(const std::vector<std::string>& values, const char* between) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : between) + value;
  return out;
}

}  // namespace agw::agwctl
