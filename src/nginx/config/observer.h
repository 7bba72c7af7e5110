// What other modules' directives say in a configuration: seen as nginx reads them.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "line.h"

namespace agw::nginx {

/// A line of another module that matters here: by its name, or because it has a variable in it.
struct DirectiveUse {
  std::string_view name;
  std::vector<std::string_view> arguments;
  Place place;
  bool in_locations = false;  ///< a directive that may stand in a location: nested blocks inherit it
};

struct DirectiveUses {
  std::vector<DirectiveUse> list;
  std::unordered_set<std::string_view> names;  ///< of every directive in this block
};

/// `set`, `map` …: a variable (or a log format) and the text that it is made of.
struct VariableSource {
  std::string variable;  ///< lower case; a log format as `format NAME`
  std::string text;      ///< as written, with the variables in it
  Place place;
};

/// Puts itself before every directive of nginx's HTTP modules but this one's, until stop_observing() or until the
/// configuration's pool goes, whichever is first. False if memory is out.
[[nodiscard]] bool observe_directives(ngx_conf_t* cf) noexcept;
void stop_observing() noexcept;

/// Names of the variables in a text: `$name`, `${name}`; lower case.
[[nodiscard]] std::vector<std::string> variables_in(std::string_view text);
/// Names that regular expressions in a text capture: `(?<name>…)`, `(?P<name>…)`, `(?'name'…)`.
[[nodiscard]] std::vector<std::string> captures_in(std::string_view text);

}  // namespace agw::nginx
