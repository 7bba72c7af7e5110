// A tenant's policy as the keys of a Redis hold it, and what changes between two of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"
#include "agw/grants/redis_codec.h"

#include "redis_connection.h"

namespace agw::agwctl {

/// By a key's name without `agw:p:{tenant}:`.
using Keys = std::map<std::string, grants::Fields>;

/// Whether a policy file speaks about this key. The others (revoked tokens, what later
/// versions add) belong to somebody else and stay as they are.
[[nodiscard]] bool is_of_policy_file(std::string_view name) noexcept;

/// The tenants that have a meta record.
[[nodiscard]] std::vector<std::string> tenants_of(RedisConnection& redis);
[[nodiscard]] std::optional<grants::Meta> meta_of(RedisConnection& redis, const std::string& tenant);
/// Their whole names, by SCAN's pattern.
[[nodiscard]] std::vector<std::string> keys_matching(RedisConnection& redis, const std::string& pattern);
[[nodiscard]] Keys keys_of(RedisConnection& redis, const std::string& tenant);

/// What turns `before` into `after`.
struct Change {
  std::string name;
  std::vector<std::string> removed;                         ///< fields
  std::map<std::string, std::string, std::less<>> written;  ///< fields with their new values
  bool created = false;                                     ///< the key is new
  bool deleted = false;                                     ///< the key goes altogether
  std::optional<std::string> text;     ///< in place of fields: a string
  std::optional<Milliseconds> lasts;   ///< a string: then it goes by itself
};
[[nodiscard]] std::vector<Change> changes_between(const Keys& before, const Keys& after);

/// For people: `+`, `-` and `~` with the fields; control characters escaped.
[[nodiscard]] std::string describe(const std::vector<Change>& changes, const Keys& before);

/// The commands that make the changes.
[[nodiscard]] std::vector<RedisCommand> commands_for(const std::string& tenant, const std::vector<Change>& changes);

}  // namespace agw::agwctl
