// Limits as JSON: the same in the policy file and in Redis.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/model/limit.h"

#include "json_reader.h"

namespace agw::grants {

/// Adds the limits of a list of texts; throws Malformed. `before` stands before each text: whose calls it counts, where
/// that isn't said in the list.
void read_limits(const Node& list, std::string_view place, std::string_view before, std::vector<Limit>& out);

/// Each as it is written.
[[nodiscard]] std::vector<std::string> limit_texts(const std::vector<Limit>& limits);

/// Redis holds a tenant's limits by subject. The subjects are a limit's first word, the rest is what it says of them.
struct SubjectAndRest {
  std::string subject;
  std::string rest;
};
[[nodiscard]] SubjectAndRest split_limit(const Limit& limit);

}  // namespace agw::grants
