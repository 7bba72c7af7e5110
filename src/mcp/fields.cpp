#include "fields.h"

#include <algorithm>

namespace agw::mcp {
namespace {

bool same_name(std::string_view name, std::string_view lower) {
  return std::equal(name.begin(), name.end(), lower.begin(), lower.end(),
                    [](char c, char want) { return (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) == want; });
}

Field* field_of(Fields& fields, std::string_view name) {
  const auto if_named = [&](std::string_view wanted, Field& field) {
    return name == wanted || same_name(name, wanted) ? &field : nullptr;
  };
  // No two have the same length: most fields cost one comparison of numbers.
  switch (name.size()) {
    case 8: return if_named("mcp-name", fields.name);
    case 10: return if_named("mcp-method", fields.method);
    case 12: return if_named("content-type", fields.content_type);
    case 14: return if_named("mcp-session-id", fields.session);
    case 16: return if_named("content-encoding", fields.content_encoding);
    case 20: return if_named("mcp-protocol-version", fields.version);
    default: return nullptr;
  }
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Fields::Fields(const Headers& headers) {
  headers.each(
      [](void* context, std::string_view name, std::string_view value) {
        Field* field = field_of(*static_cast<Fields*>(context), name);
        if (field == nullptr) return;
        field->value = field->count == 0 ? trimmed(value) : std::string_view();
        ++field->count;
      },
      this);
}

}  // namespace agw::mcp
