// What a request asks for, as another reader (jansson, and path and query taken apart by hand) understands its bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <jansson.h>

#include "agw/gateway/location.h"
#include "agw/gateway/request.h"

namespace agw::fuzz {

using Json = std::unique_ptr<json_t, decltype(&json_decref)>;

[[nodiscard]] Json read_json(std::string_view text);
/// A string's characters; empty for everything else.
[[nodiscard]] std::string text_of(const json_t* value);
/// Whether a string or a list of strings holds that one.
[[nodiscard]] bool holds(const json_t* value, std::string_view wanted);

/// One thing that needs a grant.
struct Asked {
  const gateway::OperationRoute* route = nullptr;  ///< null: the location names no such operation
  std::string operation;
  std::string resource;
};

struct Expected : Asked {
  bool readable = false;
  bool is_operation = false;   ///< it needs a grant of its own
  bool of_many = false;        ///< its resource stands for all that its names could make
  std::vector<Asked> further;  ///< the tool inside a tool, each resource that is followed
  bool modern = false;         ///< MCP 2026-07-28
  bool mirrored = true;        ///< the header fields that repeat the body say the same
  bool needs_session = false;  ///< it means nothing without one
  std::string method;          ///< MCP
  std::string name;            ///< what the method names: a tool, a prompt, a URI
};

[[nodiscard]] Expected expected_of(const gateway::Location& location, const gateway::Request& request);

/// The operation whose grants an item of a list needs; null: the location names none. `list` is the name of the
/// result's member.
[[nodiscard]] const gateway::OperationRoute* listed_route(const gateway::Location& location, std::string_view list,
                                                          const json_t* item);

}  // namespace agw::fuzz
