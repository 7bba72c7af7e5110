// Where in a policy file the records stand that findings are about.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "yaml.h"

namespace agw::agwctl {

/// Lines by tenant and record: `agent:…`, `tier:…`, `bundle:…`, an operation's name, `HOLDER ID` of a grant.
class Places {
 public:
  /// Of nothing: every line is 0.
  Places() = default;
  /// Of a good policy file, JSON or YAML. Throws Failure if it can't be read.
  explicit Places(const std::string& file);
  /// 0: not known.
  [[nodiscard]] int line(const std::string& tenant, const std::string& record) const;

 private:
  void add(const std::string& tenant, const std::string& record, const std::string& path);

  Lines lines_;
  std::map<std::pair<std::string, std::string>, std::string> paths_;
};

}  // namespace agw::agwctl
