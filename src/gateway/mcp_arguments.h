// A tool's or a prompt's arguments, where policy looks for values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/json/document.h"
#include "agw/mcp/arguments.h"
#include "agw/policy/resource_template.h"

namespace agw::gateway {

class McpArguments final : public policy::Arguments {
 public:
  explicit McpArguments(std::optional<json::Value> arguments) : arguments_(arguments) {}
  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    return mcp::find_argument(arguments_, path, scratch_);
  }

 private:
  std::optional<json::Value> arguments_;
  mutable std::string scratch_;
};

}  // namespace agw::gateway
