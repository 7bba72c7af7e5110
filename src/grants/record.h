// One key of the store, read and made ready for look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "agw/grants/redis_codec.h"
#include "agw/policy/grant_set.h"

namespace agw::grants {

enum class RecordKind : std::uint8_t {
  tenant,
  agent,
  user,
  delegation,
  breaker,
  operation,
  issuer,
  client,
  tier,
  tiers,
  bundle,
  members,
  limits,
  grants,
  entitlements,
  revoked
};

/// What is to be read.
struct Want {
  RecordKind kind;
  std::string key;
};

/// The hash `tiers`: see tier_field().
using TierMap = std::map<std::string, std::string, std::less<>>;
/// A key that counts by being there.
struct Present {};

/// Immutable; shared by whoever uses it. monostate: the store has no such key, which is knowledge too.
struct Record {
  std::variant<std::monostate, TenantRecord, AgentRecord, UserRecord, DelegationRecord, BreakerRecord, OperationRecord,
               IssuerRecord, ClientRecord, TierRecord, TierMap, BundleRecord, MemberMap, std::vector<Limit>,
               policy::GrantSet, Present>
      value;
  std::string broken;      ///< what is wrong with the key's content; names key and field, never a value
  bool lasting = true;     ///< false: Redis refused to answer, which says nothing of the content
  std::size_t bytes = 0;   ///< what it takes in memory, roughly

  template <class T>
  [[nodiscard]] const T* get() const noexcept {
    return std::get_if<T>(&value);
  }
};
using RecordPtr = std::shared_ptr<const Record>;

[[nodiscard]] RedisCommand command_of(const Want& want);
/// `questions`: whether its grants are worth an index.
[[nodiscard]] RecordPtr read_record(const Want& want, const RedisReply& reply, policy::Questions questions);

}  // namespace agw::grants
