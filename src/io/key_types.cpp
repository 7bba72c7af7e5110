#include "agw/io/key_types.h"

#include <utility>

namespace agw {

Task<void> complain_of_types(Redis& redis, Complaints& complaints, std::vector<TypedKey> keys, std::string_view so) {
  std::vector<RedisCommand> questions;
  questions.reserve(keys.size());
  for (const auto& [key, type] : keys) questions.push_back({"TYPE", key});
  auto asking = redis.pipeline(std::move(questions));
  const auto types = co_await std::move(asking);
  if (!types || types->size() != keys.size()) co_return;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& [key, wanted] = keys[i];
    const std::string& type = (*types)[i].text;
    if (type == wanted || type == "none") continue;
    complaints.broken(key, "key " + key + ": is not a " + std::string(wanted), so);
  }
}

}  // namespace agw
