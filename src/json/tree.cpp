#include "agw/json/tree.h"

#include <algorithm>

namespace agw::json {

Tree read_tree(std::string_view text, TreeError* error) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    if (error != nullptr) *error = {static_cast<int>(lines) + 1, "a NUL character"};
    return nullptr;
  }
  json_error_t fault{};
  Tree tree(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &fault));
  if (!tree && error != nullptr) *error = {fault.line, fault.text};
  return tree;
}

}  // namespace agw::json
