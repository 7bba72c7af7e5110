#include <array>
#include <cstring>
#include <new>

#include "agw/identity/proofs.h"
#include "agw/io/shared_table.h"

namespace agw::identity {
namespace {

constexpr std::size_t ways = 16;
constexpr std::size_t fewest_sets = 16;
constexpr std::size_t share = 8;
constexpr std::size_t id_bytes = 16;

std::int64_t milliseconds(WallTime time) noexcept { return time.time_since_epoch().count(); }

}  // namespace

/// Free once `until` has passed.
struct ZoneProofs::Place {
  std::array<unsigned char, id_bytes> id;
  std::int64_t until;
};

struct ZoneProofs::Root {
  std::int64_t born;
  std::size_t sets;
  Place* places;
};

ZoneProofs::ZoneProofs(SharedMemory& memory, const Clock& clock, std::string_view key)
    : memory_(memory), clock_(clock), key_(key) {
  // What is made before this moment is older than the memory: so it begins with the first worker, not with a call.
  const TableLock lock(memory_);
  static_cast<void>(root());
}

ZoneProofs::Root* ZoneProofs::root() noexcept {
  if (memory_.root() != nullptr) return static_cast<Root*>(memory_.root());
  const std::size_t wanted = memory_.size() / share / (ways * sizeof(Place));
  if (wanted < fewest_sets) return nullptr;
  const TableRoom room = make_room(memory_, sizeof(Root), ways * sizeof(Place), wanted, fewest_sets);
  if (room.root == nullptr) return nullptr;
  std::memset(room.pieces, 0, room.count * ways * sizeof(Place));
  auto* root = new (room.root) Root{milliseconds(clock_.now()), room.count, static_cast<Place*>(room.pieces)};
  publish();
  memory_.root() = root;
  return root;
}

Spending ZoneProofs::take(const Sha256& id, const Proven& proof) noexcept {
  const std::int64_t now = milliseconds(clock_.now());
  const TableLock lock(memory_);
  Root* const table = root();
  if (table == nullptr) return Spending::no_room;
  if (milliseconds(proof.made) < table->born) return Spending::too_old;
  std::uint64_t hash = 0;
  std::memcpy(&hash, id.data() + id_bytes, sizeof(hash));
  Place* const set = table->places + (hash % table->sets) * ways;
  Place* free = nullptr;
  for (Place* place = set; place != set + ways; ++place) {
    if (place->until <= now) {
      free = place;
    } else if (std::memcmp(place->id.data(), id.data(), id_bytes) == 0) {
      return Spending::spent;
    }
  }
  if (free == nullptr) return Spending::no_room;
  std::memcpy(free->id.data(), id.data(), id_bytes);
  publish();
  free->until = milliseconds(proof.good_until);
  return Spending::fresh;
}

ValueTask<Spending> ZoneProofs::spend(Proven proof) {
  std::string text = proof.tenant + ' ';
  text.append(reinterpret_cast<const char*>(proof.id.data()), proof.id.size());
  return take(hmac_sha256(key_, text), proof);
}

}  // namespace agw::identity
