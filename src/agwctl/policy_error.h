// A policy file that is good, or a Failure that says where it isn't.
#pragma once

#include <memory>
#include <string>

#include "agw/grants/policy_file.h"

#include "failure.h"
#include "yaml.h"

namespace agw::agwctl {

/// What is wrong with a file, and where.
class FileFailure : public Failure {
 public:
  FileFailure(const std::string& file, int line, const std::string& path, const std::string& message);
  int line;  ///< 0: not known
  std::string path;
  std::string message;
};

/// A regular file of at most 256 MiB; throws Failure.
[[nodiscard]] std::string read_text(const std::string& file);

/// JSON as it is, YAML (`.yaml`, `.yml`) as the JSON that it stands for. Throws Failure: `FILE:LINE: …`. Of JSON the
/// lines are known only where they are asked for.
[[nodiscard]] Yaml read_json_or_yaml(const std::string& file);

/// JSON or YAML. Throws Failure: `FILE:LINE: PATH …`.
[[nodiscard]] std::shared_ptr<const grants::CompiledPolicy> read_policy_file(const std::string& file);

/// `FILE:LINE: PATH message`, without what is empty.
[[nodiscard]] std::string place_text(const std::string& file, int line, const std::string& path,
                                     const std::string& message);

}  // namespace agw::agwctl
