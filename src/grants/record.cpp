#include "record.h"

#include <utility>

namespace agw::grants {
namespace {

/// Nodes, indexes and allocations of one field, beside its text.
constexpr std::size_t field_overhead = 512;

template <class T>
void put(Record& record, Decoded<T> decoded) {
  if (decoded) {
    record.value.emplace<T>(*std::move(decoded));
  } else {
    record.broken = std::move(decoded.error().detail);
  }
}

/// `agw:p:{t}:grants:agent:…` is held by `agent:…`.
std::string holder_of(const Want& want) {
  const std::string_view kind = want.kind == RecordKind::grants ? "}:grants:" : "}:entitlements:";
  const auto at = want.key.find(kind);
  return at == std::string::npos ? std::string() : want.key.substr(at + kind.size());
}

void put_grants(Record& record, const Want& want, policy::Questions questions, const Fields& fields) {
  auto decoded = read_grants(want.key, fields, want.kind == RecordKind::entitlements);
  if (decoded) {
    record.value.emplace<policy::GrantSet>(*std::move(decoded), questions, holder_of(want));
  } else {
    record.broken = std::move(decoded.error().detail);
  }
}

void put_fields(Record& record, const Want& want, Fields fields, policy::Questions questions) {
  const std::string& key = want.key;
  switch (want.kind) {
    case RecordKind::tenant: return put(record, read_tenant_record(key, fields));
    case RecordKind::agent: return put(record, read_agent_record(key, fields));
    case RecordKind::user: return put(record, read_user_record(key, fields));
    case RecordKind::delegation: return put(record, read_delegation_record(key, fields));
    case RecordKind::breaker: return put(record, read_breaker_record(key, fields));
    case RecordKind::operation: return put(record, read_operation_record(key, fields));
    case RecordKind::issuer: return put(record, read_issuer_record(key, fields));
    case RecordKind::client: return put(record, read_client_record(key, fields));
    case RecordKind::tier: return put(record, read_tier_record(key, fields));
    case RecordKind::tiers: return put(record, Decoded<TierMap>(std::move(fields)));
    case RecordKind::bundle: return put(record, read_bundle_record(key, fields));
    case RecordKind::members: return put(record, read_members_record(key, fields));
    case RecordKind::limits: return put(record, read_limits_record(key, fields));
    case RecordKind::grants:
    case RecordKind::entitlements: return put_grants(record, want, questions, fields);
    case RecordKind::revoked: break;
  }
  record.broken = "key " + key + ": can't be read";
}

}  // namespace

RedisCommand command_of(const Want& want) {
  return {want.kind == RecordKind::revoked ? "EXISTS" : "HGETALL", want.key};
}

RecordPtr read_record(const Want& want, const RedisReply& reply, policy::Questions questions) {
  auto record = std::make_shared<Record>();
  record->bytes = sizeof(Record) + 2 * want.key.size() + field_overhead;
  // Of a wrong type is what the key is; every other refusal (loading, no permission) passes by itself.
  record->lasting = reply.type != RedisReply::Type::error || reply.text.starts_with("WRONGTYPE");
  if (want.kind == RecordKind::revoked) {
    if (reply.type != RedisReply::Type::integer) {
      record->broken = "key " + want.key + ": can't be read";
    } else if (reply.integer > 0) {
      record->value.emplace<Present>();
    }
    return record;
  }
  auto fields = read_fields(want.key, reply);
  if (!fields) {
    record->broken = std::move(fields.error().detail);
  } else if (!fields->empty()) {
    for (const auto& [name, value] : *fields) record->bytes += field_overhead + 2 * (name.size() + value.size());
    put_fields(*record, want, *std::move(fields), questions);
  }
  return record;
}

}  // namespace agw::grants
