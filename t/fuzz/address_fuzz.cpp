// Addresses that operators and issuers' documents write: a Redis, an IP address, a resource's identifier, an issuer.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <arpa/inet.h>

#include "agw/gateway/discovery.h"
#include "agw/grants/redis_url.h"
#include "agw/io/address.h"
#include "agw/oauth/server_metadata.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

void check_redis(std::string_view url) {
  const auto address = grants::parse_redis_url(url);
  if (!address) {
    expect(!address.error().empty(), "a refusal says why");
    return;
  }
  const int places = (address->unix_path.empty() ? 0 : 1) + (address->host.empty() ? 0 : 1) +
                     (address->sentinels.empty() ? 0 : 1) + (address->seeds.empty() ? 0 : 1);
  expect(places == 1, "a Redis is at a path, at a host, or where Sentinels or a Cluster's nodes say");
  expect(address->seeds.empty() || address->db == 0, "a Cluster has one database");
  expect(address->sentinels.empty() == address->master.empty(), "Sentinels are asked for a name");
  for (const auto* listed : {&address->sentinels, &address->seeds})
    for (const auto& voter : *listed) {
      const auto alone = grants::read_place(voter.host, std::to_string(voter.port));
      expect(alone && *alone == voter, "who is asked is at a place");
      expect(std::count(listed->begin(), listed->end(), voter) == 1, "nobody votes twice");
    }
  expect(address->unix_path.empty() || address->unix_path.front() == '/', "a socket's path is absolute");
  expect(address->port != 0 && address->db <= 65535, "port and database are in range");
  const auto again = grants::parse_redis_url(address->text());
  expect(again.has_value(), "what is printed can be read");
  expect(again->host == address->host && again->port == address->port && again->unix_path == address->unix_path &&
             again->tls == address->tls && again->db == address->db && again->sentinels == address->sentinels &&
             again->master == address->master && again->seeds == address->seeds,
         "what is printed is the same address");
  if (address->unix_path.empty()) expect(again->user == address->user, "what is printed names the same user");
}

/// What a Sentinel answers, host and port.
void check_place(std::string_view text) {
  const std::size_t cut = text.rfind(' ');
  if (cut == std::string_view::npos) return;
  const auto place = grants::read_place(text.substr(0, cut), text.substr(cut + 1));
  if (!place) return;
  expect(place->port != 0 && !place->host.empty() && place->host.size() <= 255, "a place has a host and a port");
  const auto again = grants::parse_redis_url("redis://" + place->text());
  expect(again && again->host == place->host && again->port == place->port,
         "what a Sentinel names can be written down");
}

/// RFC 6890, written down once more: what no document may send the gateway to.
bool is_inner_v4(const unsigned char* a) {
  return a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 || (a[0] == 100 && a[1] >= 64 && a[1] < 128) ||
         (a[0] == 169 && a[1] == 254) || (a[0] == 172 && a[1] >= 16 && a[1] < 32) || (a[0] == 192 && a[1] == 168);
}

void check_ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  unsigned char bytes[16];
  const std::string whole(text);
  const bool plain = text.find('\0') == std::string_view::npos;
  const bool v4 = plain && inet_pton(AF_INET, whole.c_str(), bytes) == 1;
  const bool v6 = !v4 && plain && inet_pton(AF_INET6, whole.c_str(), bytes) == 1;
  expect(address.has_value() == (v4 || v6), "an IP address is what the system takes for one");
  if (!address) return;
  expect(address->v6 == v6 && IpAddress::parse(address->text()) == *address, "an IP address there and back");
  if (address_allowed(AddressRule::discovered, *address)) {
    expect(address_allowed(AddressRule::configured, *address), "what a document may name, the operator may, too");
    expect(v6 ? bytes[0] != 0xFE && bytes[0] != 0xFF && (bytes[0] & 0xFEU) != 0xFC : !is_inner_v4(bytes),
           "a document names public addresses only");
  }
}

void check_resource(std::string_view text) {
  const auto resource = gateway::parse_resource_identifier(text);
  if (!resource) {
    expect(!resource.error().empty(), "a refusal says why");
    return;
  }
  expect(resource->identifier == text, "an identifier is compared byte by byte");
  expect(resource->origin + (resource->path == "/" && !text.ends_with('/') ? "" : resource->path) == text,
         "origin and path make the identifier");
  expect(resource->metadata_url == resource->origin + resource->metadata_path, "the metadata lies at the origin");
  expect(text.find_first_of("\"\\<> ?#\r\n") == std::string_view::npos, "an identifier can stand in a header");
}

void check_issuer(std::string_view issuer) {
  for (const auto& url : oauth::well_known_urls(issuer))
    expect(url.find("/.well-known/") != std::string::npos, "metadata is looked for at well-known URLs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_redis(text);
  check_place(text);
  check_ip(text);
  check_resource(text);
  check_issuer(text);
  return 0;
}
