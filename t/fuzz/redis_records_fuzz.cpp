// Policy records as a hostile Redis holds them. A line without a leading space names a key, the lines behind it are its
// fields: a space, the field, `=`, the value.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"
#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/model/pattern.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

using Keys = std::map<std::string, grants::Fields>;

Keys read_keys(std::string_view text) {
  Keys out;
  grants::Fields* fields = nullptr;
  while (!text.empty()) {
    const std::string_view line = fuzz::take_line(text);
    if (!line.starts_with(' ')) {
      fields = &out[std::string(line)];
      continue;
    }
    if (fields == nullptr) continue;
    const std::size_t equals = line.find('=');
    fields->emplace(line.substr(1, equals == std::string_view::npos ? equals : equals - 1),
                    equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1));
  }
  return out;
}

void check_grants(const std::vector<Grant>& grants, bool entitlements) {
  for (const Grant& grant : grants) {
    expect(is_pattern(grant.operation), "a grant's operation is a pattern");
    expect(!grant.resource || is_pattern(*grant.resource), "a grant's resource is a pattern");
    if (entitlements) expect(grant.for_whom.empty(), "an entitlement is its holder's");
  }
}

void check_limits(const std::vector<Limit>& limits, std::string_view place) {
  std::set<std::string> counters;
  for (const Limit& limit : limits) {
    expect(limit.place == place, "a limit knows where it stands");
    expect(counters.insert(limit.id()).second, "no two limits of one list share a counter");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Keys keys = read_keys({reinterpret_cast<const char*>(data), size});
  if (const auto meta = keys.find("meta"); meta != keys.end()) {
    const auto read = grants::read_meta("meta", meta->second);
    if (read && *read) expect(!(*read)->incarnation.empty() && !(*read)->born.empty(), "a store has an incarnation");
    if (read && !*read) expect(meta->second.empty(), "a meta with fields is one, or wrong");
    if (!read) expect(!read.error().detail.empty(), "a refusal says why");
  }
  const auto policy = grants::decode_tenant(keys);
  if (!policy) {
    expect(policy.error().detail.starts_with("key "), "a refusal names the key");
    return 0;
  }
  for (const auto& [holder, list] : policy->grants) check_grants(list, false);
  for (const auto& [holder, list] : policy->entitlements) check_grants(list, true);
  check_limits(policy->limits, grants::tenant_place);
  for (const auto& [name, bundle] : policy->bundles) {
    check_grants(bundle.grants, false);
    check_limits(bundle.limits, grants::bundle_place(name.substr(name.rfind(':') + 1)));
    for (const auto& group : bundle.members) expect(is_principal_id(group), "a member is a group");
    expect(bundle.parent.empty() || policy->bundles.contains(bundle.parent), "a parent is there");
  }
  for (const auto& [name, tier] : policy->tiers)
    for (const auto& pattern : tier.ceiling.value_or(std::vector<std::string>()))
      expect(is_pattern(pattern), "a ceiling");
  // Written and read again it is the same policy.
  const Keys written = grants::encode_tenant(*policy);
  const auto again = grants::decode_tenant(written);
  expect(again.has_value(), "what is written can be read");
  expect(grants::encode_tenant(*again) == written, "what is read again is the same");
  // As agwctl export prints it: whether it is a good policy file or not, that is said, not crashed on.
  grants::Policy whole;
  whole.tenants.emplace("default", *policy);
  static_cast<void>(grants::parse_policy(grants::write_policy(whole)));
  return 0;
}
