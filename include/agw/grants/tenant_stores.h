// Where each tenant has a store of its own: in a Cluster.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "agw/base/digest.h"
#include "agw/grants/copying_store.h"
#include "agw/grants/store.h"
#include "agw/status/report.h"

namespace agw::grants {

/// Usable while some tenant's store is. In a report of the status it is one store: what is counted is added up, and it
/// hears of writes where all of them do.
class TenantStores final : public Store, public status::Source {
 public:
  void add(const std::string& tenant, std::unique_ptr<CopyingStore> store) {
    stores_.insert_or_assign(tenant, std::move(store));
  }
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                        std::string_view operation) override;
  [[nodiscard]] ValueTask<StoreHealth> health() override;
  void tell(status::Report& report) const override;

 private:
  Task<StoreHealth> ask_health();

  std::unordered_map<std::string, std::unique_ptr<CopyingStore>, StringHash, std::equal_to<>> stores_;
};

}  // namespace agw::grants
