#include "store_connections.h"

#include <algorithm>
#include <utility>

#include "failure.h"
#include "keys.h"

namespace agw::agwctl {
namespace {

constexpr int seed_timeout_ms = 2000;

}  // namespace

StoreConnections::StoreConnections(RedisOptions options) : options_(std::move(options)) {
  if (options_.address.seeds.empty()) {
    only_ = std::make_unique<RedisConnection>(options_);
    return;
  }
  for (const auto& place : options_.address.seeds) {
    try {
      RedisOptions own = options_;
      own.address.seeds.clear();
      own.address.host = place.host;
      own.address.port = place.port;
      own.timeout_ms = seed_timeout_ms;
      const auto said = RedisConnection(own).ask(grants::topology_questions());
      if (auto view = grants::Topology::read(said, place.host)) {
        views_.push_back(*std::move(view));
      } else {
        trouble_ = place.text() + " doesn't know a Cluster that works";
      }
    } catch (const Failure& failure) {
      trouble_ = failure.what();
    }
  }
}

const grants::RedisPlace* StoreConnections::owner(grants::Slot slot) const {
  for (const auto& view : views_) {
    const auto* const place = view.owner(slot);
    if (place == nullptr) continue;
    const auto votes = std::ranges::count_if(views_, [&](const auto& other) {
      const auto* const named = other.owner(slot);
      return named != nullptr && *named == *place;
    });
    if (2 * static_cast<std::size_t>(votes) > options_.address.seeds.size()) return place;
  }
  return nullptr;
}

RedisConnection& StoreConnections::at(const grants::RedisPlace& place) {
  auto& known = nodes_[place.text()];
  if (known == nullptr) known = std::make_unique<RedisConnection>(options_, place);
  return *known;
}

RedisConnection& StoreConnections::of(const std::string& tenant) {
  if (only_ != nullptr) return *only_;
  const auto* const place = owner(grants::slot_of(tenant));
  if (place == nullptr)
    throw Failure("no majority of the Cluster's nodes that are asked says which one has the tenant " + tenant +
                  (trouble_.empty() ? "" : "; " + trouble_));
  return at(*place);
}

std::vector<std::string> StoreConnections::tenants() {
  if (only_ != nullptr) return tenants_of(*only_);
  std::vector<grants::RedisPlace> places;
  for (grants::Slot slot = 0; slot < grants::slots; ++slot) {
    const auto* const place = owner(slot);
    if (place == nullptr)
      throw Failure("no majority of the Cluster's nodes that are asked says which one has slot " +
                    std::to_string(slot) + (trouble_.empty() ? "" : "; " + trouble_));
    if (std::find(places.begin(), places.end(), *place) == places.end()) places.push_back(*place);
  }
  std::vector<std::string> out;
  for (const auto& place : places)
    for (std::string& tenant : tenants_of(at(place))) out.push_back(std::move(tenant));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace agw::agwctl
