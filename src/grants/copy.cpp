#include "copy.h"

#include <algorithm>
#include <utility>

namespace agw::grants {
namespace {

constexpr std::size_t entry_overhead = 192;
constexpr std::size_t facts_overhead = 1024;

std::size_t cost_of(const std::string& key, const Copied& copied) {
  return entry_overhead + key.size() + copied.record->bytes;
}

std::size_t cost_of(const CopiedFacts& facts) {
  return facts_overhead + facts.stamps.size() * (sizeof(Stripes::Stamp) + sizeof(RecordPtr));
}

}  // namespace

const Copied* Copy::find(const std::string& key, SteadyTime now) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return nullptr;
  Entry& entry = *it->second;
  if (!stripes_.holds(entry.copied.stamp) || now >= entry.copied.ends) {
    erase(it->second);
    return nullptr;
  }
  entry.used = true;
  return &entry.copied;
}

void Copy::put(const std::string& key, Copied copied) {
  if (const auto it = entries_.find(key); it != entries_.end()) erase(it->second);
  if (!stripes_.holds(copied.stamp)) return;
  const std::size_t cost = cost_of(key, copied);
  if (cost > limit_ / 2) return;
  order_.push_back({key, std::move(copied)});
  try {
    entries_.emplace(order_.back().key, std::prev(order_.end()));
  } catch (...) {
    order_.pop_back();
    throw;
  }
  bytes_ += cost;
  if (bytes() > limit_) make_room();
}

void Copy::erase(Entries::iterator entry) {
  bytes_ -= cost_of(entry->key, entry->copied);
  entries_.erase(entry->key);
  order_.erase(entry);
}

/// Every entry that was used since it was last looked at gets a second chance. Facts hold the
/// records that they are made of, so they go too.
void Copy::make_room() {
  forget_facts();
  const std::size_t enough = limit_ - limit_ / 8;
  for (std::size_t looked = 0, most = 2 * order_.size(); bytes_ > enough && looked < most; ++looked) {
    const auto first = order_.begin();
    if (std::exchange(first->used, false)) {
      order_.splice(order_.end(), order_, first);
      continue;
    }
    erase(first);
    ++evictions_;
  }
}

void Copy::forget_facts() noexcept {
  facts_.clear();
  facts_bytes_ = 0;
}

const CopiedMeta* Copy::meta(std::string_view tenant, SteadyTime now) const {
  const auto it = metas_.find(tenant);
  if (it == metas_.end() || !stripes_.holds(it->second.stamp) || now >= it->second.ends) return nullptr;
  return &it->second;
}

void Copy::put_meta(const std::string& tenant, CopiedMeta meta) { metas_.insert_or_assign(tenant, std::move(meta)); }

std::vector<std::string> Copy::tenants() const {
  std::vector<std::string> out;
  out.reserve(metas_.size());
  for (const auto& [tenant, meta] : metas_) out.push_back(tenant);
  return out;
}

policy::FactsPtr Copy::facts(const Principal& principal, std::string_view operation, SteadyTime now) {
  auto known = facts_.find(principal, operation);
  if (!known) return nullptr;
  // Only remember() puts facts there, and what it puts is this type.
  const auto& facts = static_cast<const CopiedFacts&>(*known);
  if (now >= facts.ends) return nullptr;
  if (facts.moves == stripes_.moves()) return known;
  if (meta(principal.tenant, now) == nullptr) return nullptr;
  if (!std::all_of(facts.stamps.begin(), facts.stamps.end(), [&](auto stamp) { return stripes_.holds(stamp); }))
    return nullptr;
  facts.moves = stripes_.moves();
  return known;
}

Copy::Last Copy::last_facts(const Principal& principal, std::string_view operation, SteadyTime now) const {
  const auto meta = metas_.find(principal.tenant);
  auto known = std::static_pointer_cast<const CopiedFacts>(facts_.find(principal, operation));
  if (!known || meta == metas_.end() || !stripes_.held(meta->second.stamp) || now >= known->ends) return {};
  const auto held = [&](auto stamp) { return stripes_.held(stamp); };
  if (!std::all_of(known->stamps.begin(), known->stamps.end(), held)) return {};
  return {std::move(known), &meta->second};
}

const Record* Copy::peek(const std::string& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second->copied.record.get();
}

void Copy::remember(PrincipalPtr principal, std::string_view operation, std::shared_ptr<CopiedFacts> facts) {
  facts->moves = stripes_.moves();
  const std::size_t cost = cost_of(*facts);
  if (facts_.remember(std::move(principal), operation, std::move(facts)) == FactsMemory::Began::anew) facts_bytes_ = 0;
  facts_bytes_ += cost;
  if (bytes() > limit_) make_room();
}

RecordPtr CopySource::find(const std::string& key) {
  const Copied* copied = copy_.find(key, now_);
  if (copied == nullptr) {
    const auto it = fresh_.find(key);
    if (it == fresh_.end() || !stripes_.holds(it->second.stamp) || now_ >= it->second.ends) return nullptr;
    copied = &it->second;
    all_copied_ = false;
  }
  facts_.stamps.push_back(copied->stamp);
  facts_.ends = std::min(facts_.ends, copied->ends);
  return copied->record;
}

}  // namespace agw::grants
