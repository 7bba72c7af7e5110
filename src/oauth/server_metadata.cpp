#include "agw/oauth/server_metadata.h"

#include <algorithm>
#include <memory>

#include "agw/json/tree.h"

namespace agw::oauth {
namespace {

std::string_view text_of(const json_t* object, const char* key) {
  const json_t* value = json_object_get(object, key);
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view{};
}

/// The strings of a list.
std::vector<std::string> texts_of(const json_t* object, const char* key) {
  std::vector<std::string> out;
  const json_t* list = json_object_get(object, key);
  for (std::size_t i = 0; i < json_array_size(list); ++i) {
    const json_t* item = json_array_get(list, i);
    if (json_is_string(item)) out.emplace_back(json_string_value(item), json_string_length(item));
  }
  return out;
}

/// Where the authority ends and the path begins.
std::size_t path_at(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return url.size();
  return std::min(url.find('/', scheme + 3), url.size());
}

/// An issuer on loopback http may have its endpoints there; every other endpoint is https.
bool is_endpoint(std::string_view url, std::string_view issuer) {
  for (char c : url)
    if (c <= 0x20 || c >= 0x7F) return false;
  if (url.starts_with("https://")) return url.size() > 8;
  return issuer.starts_with("http://") && url.starts_with("http://") &&
         url.substr(0, path_at(url)) == issuer.substr(0, path_at(issuer));
}

}  // namespace

Result<ServerMetadata, MetadataError> parse_server_metadata(std::string_view json, std::string_view issuer) {
  if (json.find('\0') != std::string_view::npos) return fail(MetadataError::malformed);
  const json::Tree root = json::read_tree(json);
  if (!json_is_object(root.get())) return fail(MetadataError::malformed);
  ServerMetadata out;
  out.issuer = text_of(root.get(), "issuer");
  if (out.issuer != issuer) return fail(MetadataError::issuer_mismatch);
  out.jwks_uri = text_of(root.get(), "jwks_uri");
  out.token_endpoint = text_of(root.get(), "token_endpoint");
  out.introspection_endpoint = text_of(root.get(), "introspection_endpoint");
  for (const std::string* endpoint : {&out.jwks_uri, &out.token_endpoint, &out.introspection_endpoint})
    if (!endpoint->empty() && !is_endpoint(*endpoint, issuer)) return fail(MetadataError::endpoint_refused);
  out.token_endpoint_auth_methods = texts_of(root.get(), "token_endpoint_auth_methods_supported");
  out.introspection_endpoint_auth_methods = texts_of(root.get(), "introspection_endpoint_auth_methods_supported");
  return out;
}

std::vector<std::string> well_known_urls(std::string_view issuer) {
  const std::size_t at = path_at(issuer);
  const std::string origin(issuer.substr(0, at));
  std::string path(issuer.substr(at));
  while (path.ends_with('/')) path.pop_back();
  std::vector<std::string> out{origin + "/.well-known/oauth-authorization-server" + path,
                               origin + "/.well-known/openid-configuration" + path};
  if (!path.empty()) out.push_back(origin + path + "/.well-known/openid-configuration");
  return out;
}

}  // namespace agw::oauth
