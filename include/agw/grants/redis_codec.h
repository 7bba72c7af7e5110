// Policy records as Redis holds them: one codec for the store that reads and the tool that writes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/grants/policy_file.h"
#include "agw/io/redis.h"

namespace agw::grants {

/// `agw:p:{tenant}:rest`. The tenant is a percent-encoded part.
[[nodiscard]] std::string policy_key(std::string_view tenant, std::string_view rest);
/// `agw:v:{tenant}:rest`: what calls write.
[[nodiscard]] std::string volatile_key(std::string_view tenant, std::string_view rest);

/// What is wrong with a key's content; names the key and the field, never a value.
struct CodecError {
  std::string detail;
};
template <class T>
using Decoded = Result<T, CodecError>;

/// A hash's fields. An absent key is an empty map; every other type is an error.
using Fields = std::map<std::string, std::string, std::less<>>;
[[nodiscard]] Decoded<Fields> read_fields(std::string_view key, const RedisReply& reply);

struct Meta {
  std::string incarnation;
  std::string born;
  std::uint64_t version = 0;
  std::uint64_t confirmed = 0;  ///< milliseconds since 1970; 0: never

  friend bool operator==(const Meta&, const Meta&) = default;
};
/// Nothing if there is no meta at all; an error if it isn't one of schema 1.
[[nodiscard]] Decoded<std::optional<Meta>> read_meta(std::string_view key, const Fields& fields);

// Each takes the fields of a key that exists (an empty map is an absent record, the caller's case).
[[nodiscard]] Decoded<TenantRecord> read_tenant_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<AgentRecord> read_agent_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<UserRecord> read_user_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<TierRecord> read_tier_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<DelegationRecord> read_delegation_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<ClientRecord> read_client_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<IssuerRecord> read_issuer_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<BreakerRecord> read_breaker_record(std::string_view key, const Fields& fields);
[[nodiscard]] Decoded<OperationRecord> read_operation_record(std::string_view key, const Fields& fields);
/// The bundle's name is the key's last part.
[[nodiscard]] Decoded<BundleRecord> read_bundle_record(std::string_view key, const Fields& fields);
/// A tenant's limits: subject → JSON list of what they may use up.
[[nodiscard]] Decoded<std::vector<Limit>> read_limits_record(std::string_view key, const Fields& fields);
/// `group:company|support` → the bundles that its members have, with all of their parents.
using MemberMap = std::map<std::string, std::vector<std::string>, std::less<>>;
[[nodiscard]] Decoded<MemberMap> read_members_record(std::string_view key, const Fields& fields);
/// Grants (or entitlements) by id; the values are JSON.
[[nodiscard]] Decoded<std::vector<Grant>> read_grants(std::string_view key, const Fields& fields, bool entitlements);

// What is pulled by hand in an emergency stands in fields of its own, beside what a policy file says of the same
// tenant, user, agent, tier, client or issuer: a file that knows nothing of it mustn't undo it.
inline constexpr std::string_view stop_field = "stop";                        ///< of a tenant: a flag
inline constexpr std::string_view stop_all_field = "stop_all";                ///< the same, of all tenants at once
inline constexpr std::string_view revoked_field = "revoked";  ///< a flag: disabled, whatever the status
inline constexpr std::string_view revoked_before_field = "revoked_before";  ///< a time: counts beside not_before
inline constexpr std::string_view revoked_all_field = "revoked_all_before";  ///< the same, of all tenants at once
inline constexpr std::string_view revoked_key_prefix = "revoked_key:";  ///< of an issuer, then a key's encoded id
/// `name`: of the key, without `agw:p:{tenant}:`.
[[nodiscard]] bool is_pulled_by_hand(std::string_view name, std::string_view field) noexcept;

/// `provider|model` with each part encoded, `*` for any: a field of the hash `tiers`.
[[nodiscard]] std::string tier_field(const std::optional<std::string>& provider,
                                     const std::optional<std::string>& model);

/// Every key of a tenant's policy except `meta`, by its name without the prefix, with its fields.
[[nodiscard]] std::map<std::string, Fields> encode_tenant(const TenantPolicy& policy);
/// The reverse, for `agwctl export`.
[[nodiscard]] Decoded<TenantPolicy> decode_tenant(const std::map<std::string, Fields>& keys);

}  // namespace agw::grants
