#include "agw/policy/resource_template.h"

#include <algorithm>

#include "agw/base/encoding.h"

namespace agw::policy {
namespace {

bool is_literal_byte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '@' || c == '-' || c == ':' || c == '/' || c == '%';
}

}  // namespace

Result<ResourceTemplate, std::string> ResourceTemplate::parse(std::string_view text) {
  ResourceTemplate out;
  out.text_ = text;
  out.literals_.emplace_back();
  if (text.empty()) return fail(std::string("is empty; write for example ticket:<id>"));
  while (!text.empty()) {
    if (text.front() != '<') {
      if (!is_literal_byte(text.front()))
        return fail(
            std::string("may hold letters, digits and . _ @ - : / besides names in <>; write for example ticket:<id>"));
      out.literals_.back() += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = text.find('>');
    if (end == std::string_view::npos)
      return fail(std::string("has a \"<\" without \">\"; write for example ticket:<id>"));
    std::string_view name = text.substr(1, end - 1);
    std::vector<std::string> path;
    while (true) {
      const std::size_t slash = name.find('/');
      const std::string_view part = name.substr(0, slash);
      if (part.empty() || part.find('<') != std::string_view::npos)
        return fail(std::string("has an empty name; write <id>, or <filter/id> for a nested argument"));
      path.emplace_back(part);
      if (slash == std::string_view::npos) break;
      name.remove_prefix(slash + 1);
    }
    out.placeholders_.push_back(std::move(path));
    out.literals_.emplace_back();
    text.remove_prefix(end + 1);
  }
  return out;
}

Result<void, Reason> ResourceTemplate::expand(const Arguments& arguments, std::string& out) const {
  for (std::size_t i = 0; i < literals_.size(); ++i) {
    out += literals_[i];
    if (i == placeholders_.size()) break;
    const auto value = arguments.find(placeholders_[i]);
    if (!value) return fail(value.error());
    append_encoded_part(out, *value);
  }
  return {};
}

}  // namespace agw::policy
