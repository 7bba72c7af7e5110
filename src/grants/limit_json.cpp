#include "limit_json.h"

#include <algorithm>
#include <utility>

namespace agw::grants {

std::string bundle_place(std::string_view bundle) { return "bundle|" + std::string(bundle); }

void read_limits(const Node& list, std::string_view place, std::string_view before, std::vector<Limit>& out) {
  list.each_element([&](const Node& item) {
    auto limit = parse_limit(std::string(before) + item.text());
    if (!limit) item.fail_with(limit.error());
    limit->place = place;
    const auto same = [id = limit->id()](const Limit& other) { return other.id() == id; };
    if (const auto other = std::find_if(out.begin(), out.end(), same); other != out.end())
      item.fail_with("counts what \"" + other->text + "\" counts, which stands twice so; write one of them");
    if (out.size() == most_limits)
      item.fail_with("is one limit too many; write at most " + std::to_string(most_limits));
    out.push_back(*std::move(limit));
  });
}

std::vector<std::string> limit_texts(const std::vector<Limit>& limits) {
  std::vector<std::string> out;
  out.reserve(limits.size());
  for (const Limit& limit : limits) out.push_back(write_limit(limit));
  return out;
}

SubjectAndRest split_limit(const Limit& limit) {
  const std::string text = write_limit(limit);
  const std::size_t space = text.find(' ');
  return {text.substr(0, space), text.substr(space + 1)};
}

}  // namespace agw::grants
