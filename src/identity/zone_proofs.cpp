#include <array>
#include <atomic>
#include <cstring>

#include "agw/identity/proofs.h"

namespace agw::identity {
namespace {

constexpr std::size_t ways = 16;
constexpr std::size_t fewest_sets = 16;
constexpr std::size_t share = 8;
constexpr std::size_t id_bytes = 16;

class Locked {
 public:
  explicit Locked(SharedMemory& memory) noexcept : memory_(memory) { memory_.lock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() { memory_.unlock(); }

 private:
  SharedMemory& memory_;
};

std::int64_t milliseconds(WallTime time) noexcept { return time.time_since_epoch().count(); }

/// A worker that is killed in between leaves a place that counts whole, or not at all.
void publish() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

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
  const Locked lock(memory_);
  static_cast<void>(root());
}

ZoneProofs::Root* ZoneProofs::root() noexcept {
  if (memory_.root() != nullptr) return static_cast<Root*>(memory_.root());
  std::size_t sets = memory_.size() / share / (ways * sizeof(Place));
  void* places = nullptr;
  while (sets >= fewest_sets && places == nullptr) {
    places = memory_.allocate(sets * ways * sizeof(Place));
    if (places == nullptr) sets /= 2;
  }
  if (places == nullptr) return nullptr;
  auto* root = static_cast<Root*>(memory_.allocate(sizeof(Root)));
  if (root == nullptr) {
    memory_.release(places);
    return nullptr;
  }
  std::memset(places, 0, sets * ways * sizeof(Place));
  *root = {milliseconds(clock_.now()), sets, static_cast<Place*>(places)};
  publish();
  memory_.root() = root;
  return root;
}

Spending ZoneProofs::take(const Sha256& id, const Proven& proof) noexcept {
  const std::int64_t now = milliseconds(clock_.now());
  const Locked lock(memory_);
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
