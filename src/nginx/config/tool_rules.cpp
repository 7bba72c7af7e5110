// What few tools have in their blocks: inner, lists, param_header.
#include "tool_rules.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "agw/policy/resource_template.h"

namespace agw::nginx {

bool is_field_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

namespace {

/// `<filter/id>`: one argument, where it stands.
Result<ArgumentPath, std::string> read_argument(std::string_view name, std::string_view word) {
  if (word.starts_with('<') && word.ends_with('>'))
    if (const auto read = policy::ResourceTemplate::parse(word); read && read->placeholders().size() == 1)
      return read->placeholders().front();
  return fail(quoted(name) + " has " + quoted(word) + "; write one name, as <tool>, or <call/tool> for a nested one");
}

Checked read_listing_option(std::string_view key, std::string_view value, response::ToolListing& out) {
  using Text = response::ToolListing::Text;
  if (key == "name") {
    auto path = read_argument("lists", value);
    if (!path) return fail(path.error());
    out.name = *std::move(path);
  } else if (key == "text") {
    static constexpr std::array texts{Choice{"same", Text::same}, Choice{"array", Text::array},
                                      Choice{"items", Text::items}};
    const auto text = choose<Text>("lists text", value, texts);
    if (!text) return fail(text.error());
    out.text = *text;
  } else if (key == "errors") {
    static constexpr std::array ways{Choice{"refuse", false}, Choice{"pass", true}};
    const auto way = choose<bool>("lists errors", value, ways);
    if (!way) return fail(way.error());
    out.errors_pass = *way;
  } else {
    return fail("\"lists\" has the unknown word " + quoted(key) +
                "; write lists <tools> name=<name>, and perhaps text=array or text=items, errors=pass");
  }
  return {};
}

}  // namespace

Result<gateway::InnerRule, std::string> read_inner(Words words) {
  gateway::InnerRule out;
  out.arguments = {"arguments"};
  for (const std::string_view word : words) {
    const auto found = option(word);
    const bool names = found && found->first == "name";
    if (!names && (!found || found->first != "arguments"))
      return fail("\"inner\" has the unknown word " + quoted(word) + "; write name=<tool> arguments=<arguments>");
    auto path = read_argument("inner", found->second);
    if (!path) return fail(path.error());
    (names ? out.name : out.arguments) = *std::move(path);
  }
  if (out.name.empty()) return fail(std::string("\"inner\" needs the argument that names the tool; write name=<tool>"));
  if (out.name == out.arguments)
    return fail(std::string("\"inner\" has one argument for both; write name=<tool> arguments=<arguments>"));
  return out;
}

Result<response::ToolListing, std::string> read_listing(Words words) {
  response::ToolListing out;
  std::vector<std::string_view> seen;
  for (const std::string_view word : words) {
    const auto found = word.starts_with('<') ? std::nullopt : option(word);
    const std::string_view key = found ? found->first : std::string_view("<");
    if (std::ranges::find(seen, key) != seen.end())
      return fail("\"lists\" has " + quoted(word) + " beside another of its kind; write one of them");
    seen.push_back(key);
    if (found) {
      if (auto read = read_listing_option(key, found->second, out); !read) return fail(read.error());
      continue;
    }
    auto path = read_argument("lists", word);
    if (!path) return fail(path.error());
    out.list = *std::move(path);
  }
  return out;
}

Result<gateway::ParameterHeader, std::string> read_param_header(Words words) {
  gateway::ParameterHeader out;
  auto path = read_argument("param_header", words[0]);
  if (!path) return fail(path.error());
  out.argument = *std::move(path);
  // RFC 9110 section 5.6.2.
  const bool token = !words[1].empty() && std::ranges::all_of(words[1], [](char c) {
    return is_field_name(std::string_view(&c, 1)) ||
           std::string_view("!#$%&'*+.^_`|~").find(c) != std::string_view::npos;
  });
  if (!token)
    return fail("\"param_header\" has the name " + quoted(words[1]) +
                "; write what stands behind Mcp-Param- in the field's name, as Region");
  out.field = "mcp-param-" + std::string(words[1]);
  std::ranges::transform(out.field, out.field.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return out;
}

}  // namespace agw::nginx
