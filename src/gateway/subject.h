// What a name in a message or in a list stands for at a location.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/gateway/location.h"
#include "agw/mcp/message.h"
#include "agw/mcp/resource_uri.h"

namespace agw::gateway {

struct Subject {
  const OperationRoute* route = nullptr;  ///< null: the location names no such thing
  std::string_view name;                  ///< as the configuration writes it; empty without a route
  std::vector<mcp::UriCapture> captures;  ///< of a resource's URI
};

/// The one rule by which calls, references to prompts and resources, and the items of lists find their operation. The
/// name is a tool's or a prompt's, to the byte, or a resource's URI, or a URI template.
[[nodiscard]] Subject subject_of(const Location& location, mcp::SubjectKind kind, std::string_view name);

/// The operation, as policy and audit name it: the route's, or what a subject without one is filed under.
[[nodiscard]] std::string operation_of(const Location& location, mcp::SubjectKind kind, std::string_view name,
                                       const Subject& subject);

}  // namespace agw::gateway
