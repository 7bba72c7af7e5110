#include "token_memory.h"

#include <algorithm>

namespace agw::identity {
namespace {

/// Tokens differ where their signatures are; hashing all of a long one costs more than everything
/// else that a hit does.
constexpr std::size_t hashed_tail = 32;

}  // namespace

std::uint64_t TokenMemory::slot_of(std::string_view token, const void* trust) const noexcept {
  return hash_(token.substr(token.size() - std::min(token.size(), hashed_tail))) ^
         (static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(trust)) * 0x9E3779B97F4A7C15ULL);
}

TokenMemory::Hit TokenMemory::find(std::string_view token, const void* trust) {
  const auto it = index_.find(slot_of(token, trust));
  if (it == index_.end() || it->second->token != token || it->second->trust != trust) return {};
  if (it->second != entries_.begin()) entries_.splice(entries_.begin(), entries_, it->second);
  const Entry& entry = *it->second;
  return {&entry.principal, entry.keys, entry.issuer};
}

void TokenMemory::remember(std::string_view token, const void* trust, std::size_t issuer, std::uint64_t keys,
                           PrincipalPtr principal) {
  const std::uint64_t slot = slot_of(token, trust);
  if (const auto it = index_.find(slot); it != index_.end()) {
    entries_.erase(it->second);
    index_.erase(it);
  }
  Entries made;
  made.push_front({slot, std::string(token), trust, keys, issuer, std::move(principal)});
  index_.emplace(slot, made.begin());
  entries_.splice(entries_.begin(), made);
  if (entries_.size() <= max_) return;
  index_.erase(entries_.back().slot);
  entries_.pop_back();
}

void TokenMemory::forget(std::string_view token, const void* trust) {
  const auto it = index_.find(slot_of(token, trust));
  if (it == index_.end() || it->second->token != token) return;
  entries_.erase(it->second);
  index_.erase(it);
}

}  // namespace agw::identity
