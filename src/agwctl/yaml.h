// YAML as the JSON that it stands for, and where everything stands.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agw/base/result.h"

namespace agw::agwctl {

/// Of a value's path, as policy errors write it: `tenants.default.grants[3].until`; lines from 1.
using Lines = std::map<std::string, int, std::less<>>;

struct Yaml {
  std::string json;
  Lines lines;
};
struct YamlError {
  int line = 0;
  std::string message;
};

/// One document. Plain scalars are what JSON spells alike (true, false, null, ~, numbers), else text: dates, yes and no
/// are text. No key twice; no tags, anchors and aliases, so that a document is what can be read in it. JSON is YAML,
/// too.
[[nodiscard]] Result<Yaml, YamlError> read_yaml(std::string_view text);

/// The line of a path, or of the nearest one above it; 0 if there is none.
[[nodiscard]] int line_of(const Lines& lines, std::string_view path);

[[nodiscard]] bool is_yaml_name(std::string_view path) noexcept;

}  // namespace agw::agwctl
