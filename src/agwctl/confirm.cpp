#include <chrono>

#include "commands.h"
#include "failure.h"
#include "keys.h"
#include "store_connections.h"

namespace agw::agwctl {

int confirm_store(const ConfirmOptions& options, std::ostream& out) {
  StoreConnections stores(redis_options(options.store));
  const auto tenants = options.tenants.empty() ? stores.tenants() : options.tenants;
  if (tenants.empty())
    throw Failure("the store holds no policy: no tenant has a meta record; write one with agwctl apply");
  const auto now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()).time_since_epoch().count();
  for (const auto& tenant : tenants) {
    RedisConnection& redis = stores.of(tenant);
    const auto meta = meta_of(redis, tenant);
    if (!meta) throw Failure("tenant " + tenant + ": key " + grants::policy_key(tenant, "meta") + " is missing");
    const auto replies = redis.ask({{"HSET", grants::policy_key(tenant, "meta"), "confirmed", std::to_string(now)}});
    if (replies.front().type == RedisReply::Type::error)
      throw Failure("tenant " + tenant +
                    ": Redis refuses to write: " + replies.front().text.substr(0, replies.front().text.find(' ')));
    out << "tenant " << tenant << ": version " << meta->version << " is confirmed\n";
  }
  return exit_ok;
}

}  // namespace agw::agwctl
