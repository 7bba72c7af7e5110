// A location with prompts, resources, a tool that calls tools and one whose arguments are repeated in the head; and the
// messages of both eras that ask for them.
#pragma once

#include <string>
#include <string_view>

#include "support/gateway_world.h"

namespace agw::fuzz {

/// Beside the tools that the location has.
void add_mcp_site(gateway::Location& location);
/// Lets `company|mira` come to a part of it, and `company|omar` to all, both through `company|docs`.
[[nodiscard]] std::string_view site_policy();

/// `how` is a method, a name (`-`: none) and arguments. `state` is brought back, unless it is empty.
void write_message(test::FakeRequest& request, std::string_view how, bool modern, const std::string& state);

}  // namespace agw::fuzz
