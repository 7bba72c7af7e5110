#include "agw/response/splices.h"

#include <algorithm>
#include <tuple>

namespace agw::response {

std::optional<std::string> Splices::apply(std::string_view text) {
  // The wider of two that begin together comes first; insertions stay in their order.
  std::ranges::sort(list_, [](const Splice& a, const Splice& b) {
    return std::tuple(a.at, a.size > 0, b.size, a.order) < std::tuple(b.at, b.size > 0, a.size, b.order);
  });
  std::string out;
  out.reserve(text.size());
  std::size_t done = 0;
  std::size_t removed_until = 0;
  for (const Splice& splice : list_) {
    if (splice.at > text.size() || splice.size > text.size() - splice.at) return std::nullopt;
    const std::size_t end = splice.at + splice.size;
    // What lies within a part that was taken out went with it.
    if (splice.at < removed_until && end <= removed_until) continue;
    if (splice.at < done) return std::nullopt;
    out += text.substr(done, splice.at - done);
    out += splice.text;
    done = end;
    if (splice.text.empty()) removed_until = end;
  }
  out += text.substr(done);
  return out;
}

void insert_member(const json::Value& object, std::string_view text, std::string member, Splices& splices) {
  if (object.size() > 0) member += ',';
  splices.replace(place_of(object, text) + 1, 0, std::move(member));
}

Range member_range(const json::Value& object, std::size_t index, std::string_view text) {
  const auto end_of = [&](std::size_t i) {
    const json::Value member = object.child(i);
    return place_of(member, text) + member.raw().size();
  };
  // Between a member and the next one stand a comma and white space alone.
  const std::size_t begin = index > 0 ? end_of(index - 1) : place_of(object, text) + 1;
  std::size_t end = end_of(index);
  if (index == 0 && object.size() > 1) end = text.find(',', end) + 1;
  return {begin, end - begin};
}

std::vector<Range> ranges_of(const json::Value& array, std::string_view text, const std::vector<bool>& taken) {
  std::vector<Range> out;
  const auto begin_of = [&](std::size_t i) { return place_of(array.child(i), text); };
  const auto end_of = [&](std::size_t i) { return begin_of(i) + array.child(i).raw().size(); };
  const std::size_t size = taken.size();
  for (std::size_t first = 0; first < size; ++first) {
    if (!taken[first]) continue;
    std::size_t next = first + 1;
    while (next < size && taken[next]) ++next;
    // Up to the element that stays behind it; the last ones with the comma before them.
    const bool last = next == size;
    const std::size_t from = last && first > 0 ? end_of(first - 1) : begin_of(first);
    const std::size_t to = last ? end_of(size - 1) : begin_of(next);
    out.push_back({from, to - from});
    first = next;
  }
  return out;
}

void remove_elements(const json::Value& array, std::string_view text, const std::vector<bool>& taken,
                     Splices& splices) {
  for (const Range& range : ranges_of(array, text, taken)) splices.remove(range.at, range.size);
}

}  // namespace agw::response
