// A resource template and the arguments of a call. The first line is the template, the rest the arguments' JSON.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/mcp/arguments.h"
#include "agw/policy/resource_template.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

class Arguments final : public policy::Arguments {
 public:
  explicit Arguments(std::optional<json::Value> root) : root_(root) {}
  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    const auto found = mcp::find_argument(root_, path, scratch_);
    if (found) values.emplace_back(*found);
    return found;
  }
  mutable std::vector<std::string> values;

 private:
  std::optional<json::Value> root_;
  mutable std::string scratch_;
};

/// The template's text with each `<…>` replaced.
std::string by_hand(std::string_view text, const std::vector<std::string>& values) {
  std::string out;
  std::size_t next = 0;
  while (!text.empty()) {
    if (text.front() != '<') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    out += encode_part(values.at(next++));
    text.remove_prefix(text.find('>') + 1);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static json::Document document;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view line = fuzz::take_line(text);
  const auto made = policy::ResourceTemplate::parse(line);
  if (!made) {
    expect(!made.error().empty(), "a refusal says why");
    return 0;
  }
  expect(made->text() == line, "a template is printed as it was written");
  const auto again = policy::ResourceTemplate::parse(made->text());
  expect(again && again->placeholders() == made->placeholders(), "what is printed can be read");
  std::optional<json::Value> root;
  if (const auto read = document.read(text, {})) root = *read;
  const Arguments arguments(root);
  std::string resource;
  const auto expanded = made->expand(arguments, resource);
  if (!expanded) {
    expect(expanded.error() == Reason::argument_missing || expanded.error() == Reason::argument_invalid,
           "an argument is missing or invalid");
    return 0;
  }
  expect(root || made->placeholders().empty(), "no value without arguments");
  for (const auto& value : arguments.values) expect(!value.empty(), "an empty argument names nothing");
  expect(resource == by_hand(line, arguments.values), "a resource is its template with encoded values");
  expect(resource.find_first_of("*|<> \"") == std::string::npos, "no argument makes a wildcard");
  return 0;
}
