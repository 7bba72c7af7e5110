// Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

namespace agw::oauth {

enum class MetadataError : std::uint8_t { malformed, issuer_mismatch, endpoint_refused };

struct ServerMetadata {
  std::string issuer;
  std::string jwks_uri;                ///< may be empty, where all of its tokens are opaque
  std::string token_endpoint;          ///< may be empty
  std::string introspection_endpoint;  ///< may be empty
  std::vector<std::string> token_endpoint_auth_methods;
  std::vector<std::string> introspection_endpoint_auth_methods;  ///< empty: the token endpoint's
};

/// The document's `issuer` must equal `issuer` exactly (RFC 8414 section 3.3); endpoints must be
/// https, or http where the issuer itself is a loopback one.
[[nodiscard]] Result<ServerMetadata, MetadataError> parse_server_metadata(std::string_view json,
                                                                          std::string_view issuer);

/// Well-known URLs to try for an issuer, in order: RFC 8414 path-inserted, OpenID path-inserted,
/// OpenID appended.
[[nodiscard]] std::vector<std::string> well_known_urls(std::string_view issuer);

}  // namespace agw::oauth
