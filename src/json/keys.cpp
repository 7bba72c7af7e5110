#include "keys.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace agw::json {
namespace {

/// Objects up to this size are compared pair by pair; larger ones are sorted.
constexpr std::size_t few_members = 16;

constexpr std::uint64_t high_bits = 0x8080808080808080;
/// Sets the bit by which ASCII letters of both cases differ. That other bytes collide too costs a
/// comparison and no more.
constexpr std::uint64_t case_bits = 0x2020202020202020;

std::uint64_t load(const char* bytes, std::size_t size) {
  std::uint64_t word = 0;
  if (size >= 8) {
    std::memcpy(&word, bytes, 8);
  } else if (size >= 4) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, bytes, 4);
    std::memcpy(&last, bytes + size - 4, 4);
    word = first | (static_cast<std::uint64_t>(last) << 32U);
  } else if (size > 0) {
    const auto byte = [bytes](std::size_t i) {
      return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i]));
    };
    word = byte(0) | (byte(size / 2) << 8U) | (byte(size - 1) << 16U);
  }
  return word;
}

struct Hash {
  std::uint32_t value;
  bool ascii;
};

Hash hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  std::uint64_t hash = bytes.size() * odd;
  std::uint64_t all = 0;
  const auto mix = [&](std::uint64_t word) {
    all |= word;
    hash = (hash ^ (word | case_bits)) * odd;
    hash ^= hash >> 32U;
  };
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left > 8; at += 8, left -= 8) mix(load(at, 8));
  mix(load(at, left));
  return {static_cast<std::uint32_t>(hash), (all & high_bits) == 0};
}

Error kind_of_clash(std::string_view left, std::string_view right) {
  return left == right ? Error::key_duplicate : Error::key_lookalike;
}

Result<void, Error> check_pairs(const Tape& tape, std::span<const Node> members) {
  for (std::size_t i = 1; i < members.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (members[i].key_hash != members[j].key_hash) continue;
      const std::string_view left = tape.key_of(members[i]);
      const std::string_view right = tape.key_of(members[j]);
      if (left == right || folds_alike(left, right)) return fail(kind_of_clash(left, right));
    }
  }
  return {};
}

/// Members of one hash: as many as a sender cares to find, so they are sorted too.
Result<void, Error> check_colliding(const Tape& tape, std::span<const Node> members,
                                    std::span<const std::uint64_t> same) {
  struct Folded {
    std::string folded;
    std::string_view key;
  };
  std::vector<Folded> keys;
  keys.reserve(same.size());
  for (const std::uint64_t entry : same) {
    const std::string_view key = tape.key_of(members[static_cast<std::uint32_t>(entry)]);
    keys.push_back({fold_key(key), key});
  }
  std::sort(keys.begin(), keys.end(), [](const Folded& a, const Folded& b) { return a.folded < b.folded; });
  const auto twin = std::adjacent_find(keys.begin(), keys.end(),
                                       [](const Folded& a, const Folded& b) { return a.folded == b.folded; });
  if (twin != keys.end()) return fail(kind_of_clash(twin->key, std::next(twin)->key));
  return {};
}

}  // namespace

std::uint32_t hash_key(std::string_view key) {
  const Hash plain = hash_bytes(key);
  return plain.ascii ? plain.value : hash_bytes(fold_key(key)).value;
}

bool folds_alike(std::string_view left, std::string_view right) { return fold_key(left) == fold_key(right); }

Result<void, Error> check_keys(const Tape& tape, std::span<const Node> members, std::vector<std::uint64_t>& scratch) {
  if (members.size() <= few_members) return check_pairs(tape, members);
  scratch.clear();
  for (std::size_t i = 0; i < members.size(); ++i)
    scratch.push_back((static_cast<std::uint64_t>(members[i].key_hash) << 32U) | i);
  std::sort(scratch.begin(), scratch.end());
  for (std::size_t i = 0; i < scratch.size();) {
    std::size_t end = i + 1;
    while (end < scratch.size() && scratch[end] >> 32U == scratch[i] >> 32U) ++end;
    if (end - i > 1) {
      if (auto unique = check_colliding(tape, members, std::span(scratch).subspan(i, end - i)); !unique) return unique;
    }
    i = end;
  }
  return {};
}

}  // namespace agw::json
