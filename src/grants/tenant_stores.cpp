#include "agw/grants/tenant_stores.h"

#include <algorithm>

namespace agw::grants {

ValueTask<Result<policy::FactsPtr, StoreFailure>> TenantStores::facts(const PrincipalPtr& principal,
                                                                      std::string_view operation) {
  const auto found = stores_.find(principal->tenant);
  if (found != stores_.end()) return found->second->facts(principal, operation);
  return Result<policy::FactsPtr, StoreFailure>(
      fail(StoreFailure{Reason::store_unavailable, "tenant " + principal->tenant + " has no store"}));
}

ValueTask<StoreHealth> TenantStores::health() { return ask_health(); }

Task<StoreHealth> TenantStores::ask_health() {
  StoreHealth out;
  for (const auto& [tenant, store] : stores_) {
    auto asking = store->health();
    const auto health = co_await std::move(asking);
    out.usable = out.usable || health.usable;
    if (health.detail.empty()) continue;
    if (!out.detail.empty()) out.detail += "; ";
    out.detail += "tenant " + tenant + ": " + health.detail;
  }
  co_return out;
}

void TenantStores::tell(status::Report& report) const {
  status::Store sum;
  bool first = true;
  for (const auto& [tenant, store] : stores_) {
    report.store = {};
    store->tell(report);
    status::Store one = report.store;
    if (!first) {
      one.hears = std::min(one.hears, sum.hears);
      if (one.trouble.view().empty()) one.trouble = sum.trouble;
      one.heartbeat = std::max(one.heartbeat, sum.heartbeat);
      one.connects += sum.connects;
      one.hits += sum.hits;
      one.misses += sum.misses;
      one.invalidations += sum.invalidations;
      one.evictions += sum.evictions;
      one.entries += sum.entries;
      one.bytes += sum.bytes;
      one.limit += sum.limit;
    }
    sum = one;
    first = false;
  }
  report.store = sum;
}

}  // namespace agw::grants
