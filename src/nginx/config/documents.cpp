// What discovery serves, made at load.
#include <algorithm>

#include "agw/gateway/discovery.h"

#include "compile.h"

namespace agw::nginx {
namespace {

void add_document(SrvConf& server, std::string path, std::string type, std::string body) {
  server.documents.push_back({std::move(path), std::move(type), std::move(body)});
}

/// Governed locations of one server, each protected resource once.
struct ServerResources {
  SrvConf* server = nullptr;
  std::vector<const gateway::Location*> locations;
  std::vector<Place> places;
};

/// Every location of the server that serves this resource.
std::vector<const gateway::Location*> locations_of(const MainConf& main, const SrvConf* server,
                                                   const gateway::ProtectedResource& resource) {
  std::vector<const gateway::Location*> out;
  for (const LocConf* conf : main.settings->locations) {
    const gateway::Location* const location = conf->location;
    if (location == nullptr || conf->settings->srv != server) continue;
    if (location->resource.identifier != resource.identifier) continue;
    if (std::ranges::find(out, location) == out.end()) out.push_back(location);
  }
  return out;
}

}  // namespace

void make_documents(MainConf& main, Problems& problems) {
  std::vector<ServerResources> servers;
  for (const LocConf* conf : main.settings->locations) {
    const LocSettings& settings = *conf->settings;
    if (conf->location == nullptr || settings.srv == nullptr || !settings.resource) continue;
    auto entry = std::ranges::find(servers, settings.srv, &ServerResources::server);
    if (entry == servers.end()) {
      servers.push_back({settings.srv, {}, {}});
      entry = servers.end() - 1;
    }
    const auto same = [&](const gateway::Location* other) {
      return other->resource.identifier == conf->location->resource.identifier;
    };
    const auto known = std::ranges::find_if(entry->locations, same);
    if (known == entry->locations.end()) {
      entry->locations.push_back(conf->location);
      entry->places.push_back(settings.resource.place);
    } else if ((*known)->resource.issuers != conf->location->resource.issuers) {
      problems.error(settings.trust ? settings.trust.place : settings.resource.place,
                     "two locations share the resource " + conf->location->resource.identifier +
                         " and trust other issuers; its metadata can name only one set");
    }
  }
  for (ServerResources& entry : servers) {
    const gateway::Location* chosen = nullptr;
    for (std::size_t i = 0; i < entry.locations.size(); ++i) {
      const gateway::ProtectedResource& resource = entry.locations[i]->resource;
      const bool taken = std::ranges::any_of(
          entry.server->documents, [&](const Document& document) { return document.path == resource.metadata_path; });
      if (taken)
        problems.error(entry.places[i], "another resource of this server has the same path " + quoted(resource.path) +
                                            "; their metadata would stand at one URL");
      add_document(*entry.server, resource.metadata_path, "application/json",
                   gateway::protected_resource_metadata(resource));
      entry.server->permissions.push_back({resource.permissions_path, locations_of(main, entry.server, resource)});
      if (!resource.is_default) continue;
      if (chosen != nullptr)
        problems.error(entry.places[i], "this server has two resources marked \"default\"; leave it at one");
      chosen = entry.locations[i];
    }
    if (chosen != nullptr && chosen->resource.path != "/")
      add_document(*entry.server, "/.well-known/oauth-protected-resource", "application/json",
                   gateway::protected_resource_metadata(chosen->resource));
    if (chosen != nullptr && chosen->resource.path != "/")
      entry.server->permissions.push_back(
          {"/.well-known/agent-permissions", locations_of(main, entry.server, chosen->resource)});
    add_document(*entry.server, "/auth.md", "text/markdown; charset=utf-8", gateway::auth_page(entry.locations));
  }
}

}  // namespace agw::nginx
