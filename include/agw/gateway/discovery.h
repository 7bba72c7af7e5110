// What an agent that knows nothing but a URL can read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/gateway/location.h"

namespace agw::gateway {

/// Protected resource metadata (RFC 9728 section 2) as JSON.
[[nodiscard]] std::string protected_resource_metadata(const ProtectedResource& resource);

/// The page for agents and people at /auth.md: every protected resource of one server.
[[nodiscard]] std::string auth_page(const std::vector<const Location*>& locations);

/// Fills origin, path, metadata_path and metadata_url from the identifier. The message says what
/// is wrong with it (not absolute, fragment, query, http on a host that is not loopback …).
[[nodiscard]] Result<ProtectedResource, std::string> parse_resource_identifier(std::string_view identifier);

}  // namespace agw::gateway
