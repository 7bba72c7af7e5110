#include "agw/policy/charges.h"

#include <algorithm>

#include "agw/base/encoding.h"

namespace agw::policy {
namespace {

std::string_view name_space(std::string_view operation) { return operation.substr(0, operation.find('/')); }

/// Nothing can be confused with a name: those begin with an issuer's alias, or are encoded.
constexpr std::string_view nobody = "-";

void append_subject(std::string& key, LimitSubject subject, const Question& question, const Facts& facts) {
  key += ':';
  const Principal& principal = question.principal;
  const auto plain = [&](std::string_view text) { key += text.empty() ? nobody : text; };
  switch (subject) {
    case LimitSubject::tenant: key += "tenant"; break;
    case LimitSubject::team: {
      const bool known = facts.agent != nullptr && !facts.agent->owner.empty();
      if (known)
        append_encoded_part(key, facts.agent->owner);
      else
        key += nobody;
      break;
    }
    case LimitSubject::agent: plain(principal.agent); break;
    case LimitSubject::user: plain(principal.user); break;
    case LimitSubject::tool: plain(question.route->operation); break;
    case LimitSubject::classification: {
      if (question.route->classification.empty())
        key += nobody;
      else
        append_encoded_part(key, question.route->classification);
      break;
    }
    case LimitSubject::backend: plain(name_space(question.route->operation)); break;
  }
}

std::int64_t amount_of(const Limit& limit, const Route& route, std::int64_t request_bytes) {
  switch (limit.unit) {
    case LimitUnit::requests:
    case LimitUnit::calls: return 1;
    case LimitUnit::bytes: return request_bytes;
    case LimitUnit::cost: return route.cost;
  }
  return 1;
}

}  // namespace

std::vector<Charge> charges(const Question& question, const FactsPtr& facts, std::int64_t request_bytes) {
  std::vector<Charge> out;
  if (question.route == nullptr) return out;
  out.reserve(question.route->limits.size() + facts->limits.size());
  const auto add = [&](const Limit& limit, bool of_all) -> Charge& {
    Charge& charge = out.emplace_back();
    charge.limit = &limit;
    charge.tenant = of_all ? "*" : question.principal.tenant;
    charge.key = limit.id();
    for (const LimitSubject subject : limit.subjects) append_subject(charge.key, subject, question, *facts);
    charge.amount = amount_of(limit, *question.route, request_bytes);
    return charge;
  };
  // A backend is one for all tenants: by the configuration, since a tenant's policy speaks for the tenant alone.
  for (const Limit& limit : question.route->limits)
    add(limit, limit.subjects.size() == 1 && limit.subjects.front() == LimitSubject::backend);
  for (const Limit* limit : facts->limits) add(*limit, false).keep = facts;
  return out;
}

}  // namespace agw::policy
