// What a request asks for, as another reader (jansson, and path and query taken apart by hand) understands its bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

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

struct Expected {
  bool readable = false;
  bool is_operation = false;                       ///< it needs a grant
  const gateway::OperationRoute* route = nullptr;  ///< null: the location names no such operation
  std::string operation;
  std::string resource;
};

[[nodiscard]] Expected expected_of(const gateway::Location& location, const gateway::Request& request);

}  // namespace agw::fuzz
