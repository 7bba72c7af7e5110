#include "shared_zone.h"

#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include <openssl/rand.h>

#include "metrics_text.h"

namespace agw::nginx {
namespace {

constexpr std::uint64_t layout = 0x6177677a6f6e6506;  // changes whenever the structures below do
constexpr std::size_t buckets = 1024;

// FNV-1a: the same in every build that shares the zone. Names come from the configuration.
std::uint32_t hash_of(std::string_view name) noexcept {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

std::int64_t steady_now() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }

}  // namespace

// Entries are never removed: a pointer to one stays good, and chains may be walked without the lock.
struct SharedZone::Entry {
  std::atomic<Entry*> next;
  std::uint32_t hash;
  std::uint32_t size;
  char* name;

  [[nodiscard]] std::string_view text() const noexcept { return {name, size}; }
};

struct SharedZone::Content {
  std::size_t size;
  std::uint64_t generation;
  std::int64_t written;

  [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};

struct SharedZone::Blob : Entry {
  static constexpr std::size_t table = 0;
  std::atomic<std::uint64_t> generation;  // stays when the content is evicted
  Content* content;                       // read and replaced under the lock only
};

struct SharedZone::Lease : Entry {
  static constexpr std::size_t table = 1;
  std::int64_t until;
  ngx_pid_t holder;
};

struct SharedZone::Counter : Entry {
  static constexpr std::size_t table = 2;
  Metrics::Cell value;
};

struct SharedZone::Mark : Entry {
  static constexpr std::size_t table = 3;
  bool set;
  Progress progress;  // read and replaced under the lock only
};

struct SharedZone::Root {
  std::uint64_t layout;
  std::array<std::array<std::atomic<Entry*>, buckets>, 4> tables;
  void* counters;  // read and replaced under the lock only
  void* breakers;  // the same
  void* tasks;     // the same
  void* proofs;    // the same
  void* uses;      // the same
  std::array<unsigned char, 32> key;  // never written again
};

static_assert(Metrics::Cell::is_always_lock_free && std::atomic<void*>::is_always_lock_free);

/// The slab pool's mutex. Passed to whatever needs it held.
class SharedZone::Lock {
 public:
  explicit Lock(ngx_slab_pool_t& pool) noexcept : pool_(pool) { ngx_shmtx_lock(&pool_.mutex); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { ngx_shmtx_unlock(&pool_.mutex); }

 private:
  ngx_slab_pool_t& pool_;
};

ngx_shm_zone_t* SharedZone::declare(ngx_conf_t* cf, ngx_str_t name, std::size_t size, ngx_module_t* module) noexcept {
  ngx_shm_zone_t* zone = ngx_shared_memory_add(cf, &name, size, module);
  if (zone != nullptr) zone->init = init;
  return zone;
}

ngx_int_t SharedZone::init(ngx_shm_zone_t* zone, void* old) noexcept {
  auto* pool = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
  const auto known = [zone](const Root* root) -> ngx_int_t {
    if (root->layout == layout) return NGX_OK;
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "agent gateway: the zone \"%V\" was made by another version of this module: "
                  "restart nginx, or give the zone another name",
                  &zone->shm.name);
    return NGX_ERROR;
  };
  if (old != nullptr || zone->shm.exists) {
    // Running workers are using it: nothing in it is touched.
    auto* root = static_cast<Root*>(old != nullptr ? old : pool->data);
    zone->data = root;
    return known(root);
  }
  void* memory = ngx_slab_calloc(pool, sizeof(Root));
  if (memory == nullptr) {
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "agent gateway: the zone \"%V\" is too small", &zone->shm.name);
    return NGX_ERROR;
  }
  auto* root = new (memory) Root{};
  root->layout = layout;
  if (RAND_bytes(root->key.data(), static_cast<int>(root->key.size())) != 1) {
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "agent gateway: the system has no randomness to give");
    return NGX_ERROR;
  }
  // A full zone is handled, and said in this module's words.
  pool->log_nomem = 0;
  pool->data = root;
  zone->data = root;
  return NGX_OK;
}

SharedZone::SharedZone(ngx_shm_zone_t& zone, Log& log) noexcept
    : pool_(*reinterpret_cast<ngx_slab_pool_t*>(zone.shm.addr)),
      root_(*static_cast<Root*>(zone.data)),
      counters_(*this, root_.counters),
      breakers_(*this, root_.breakers),
      tasks_(*this, root_.tasks),
      proofs_(*this, root_.proofs),
      uses_(*this, root_.uses),
      log_(log) {}

SharedZone::~SharedZone() = default;

template <class E>
E* SharedZone::find(std::string_view name) const noexcept {
  const std::uint32_t hash = hash_of(name);
  for (Entry* entry = root_.tables[E::table][hash % buckets].load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next.load(std::memory_order_acquire)) {
    if (entry->hash == hash && entry->text() == name) return static_cast<E*>(entry);
  }
  return nullptr;
}

void* SharedZone::allocate(std::size_t size, const Blob* keep, const Lock& /*lock*/) noexcept {
  while (true) {
    if (void* memory = ngx_slab_alloc_locked(&pool_, size)) return memory;
    // Contents can be fetched again; the oldest goes first. Leases and counters stay.
    Blob* oldest = nullptr;
    for (auto& head : root_.tables[Blob::table]) {
      for (Entry* entry = head.load(std::memory_order_acquire); entry != nullptr;
           entry = entry->next.load(std::memory_order_acquire)) {
        auto* blob = static_cast<Blob*>(entry);
        if (blob == keep || blob->content == nullptr) continue;
        if (oldest == nullptr || blob->content->written < oldest->content->written) oldest = blob;
      }
    }
    if (oldest == nullptr) return nullptr;
    Content* evicted = std::exchange(oldest->content, nullptr);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ngx_slab_free_locked(&pool_, evicted);
  }
}

template <class E>
E* SharedZone::find_or_add(std::string_view name, const Lock& lock) noexcept {
  if (E* known = find<E>(name)) return known;
  void* memory = allocate(sizeof(E) + name.size(), nullptr, lock);
  if (memory == nullptr) return nullptr;
  E* entry = new (memory) E{};
  entry->hash = hash_of(name);
  entry->size = static_cast<std::uint32_t>(name.size());
  entry->name = reinterpret_cast<char*>(entry + 1);
  std::memcpy(entry->name, name.data(), name.size());
  auto& head = root_.tables[E::table][entry->hash % buckets];
  entry->next.store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
  head.store(entry, std::memory_order_release);
  return entry;
}

void SharedZone::say_full(const char* what) noexcept {
  if (std::exchange(said_full_, true)) return;
  try {
    log_.write(LogLevel::error, std::string("the shared zone is full (agent_zone): ") + what);
  } catch (...) {
    log_.write(LogLevel::error, "the shared zone is full (agent_zone)");
  }
}

std::uint64_t SharedZone::generation(std::string_view name) const noexcept {
  const auto* cell = generation_cell(name);
  return cell == nullptr ? 0 : cell->load(std::memory_order_acquire);
}

const std::atomic<std::uint64_t>* SharedZone::generation_cell(std::string_view name) const noexcept {
  // Entries are never freed, only their contents.
  const Blob* blob = find<Blob>(name);
  return blob == nullptr ? nullptr : &blob->generation;
}

std::optional<SharedBlob> SharedZone::read(std::string_view name) const {
  const Blob* blob = find<Blob>(name);
  if (blob == nullptr) return std::nullopt;
  SharedBlob copy;
  // Room is made outside the lock; if the content grows meanwhile, once more.
  while (true) {
    std::size_t needed = 0;
    {
      const Lock lock(pool_);
      Content* content = blob->content;
      if (content == nullptr) return std::nullopt;
      needed = content->size;
      if (needed <= copy.bytes.size()) {
        std::memcpy(copy.bytes.data(), content->bytes(), needed);
        copy.generation = content->generation;
        copy.written = WallTime(Milliseconds(content->written));
      }
    }
    if (copy.generation != 0) {
      copy.bytes.resize(needed);
      return copy;
    }
    copy.bytes.resize(needed);
  }
}

bool SharedZone::write(std::string_view name, std::string_view bytes, WallTime now) {
  bool written = false;
  {
    const Lock lock(pool_);
    Blob* blob = find_or_add<Blob>(name, lock);
    void* memory = blob == nullptr ? nullptr : allocate(sizeof(Content) + bytes.size(), blob, lock);
    if (memory != nullptr) {
      const std::uint64_t generation = blob->generation.load(std::memory_order_relaxed) + 1;
      auto* content = new (memory) Content{bytes.size(), generation, now.time_since_epoch().count()};
      std::memcpy(content->bytes(), bytes.data(), bytes.size());
      std::atomic_signal_fence(std::memory_order_seq_cst);
      Content* former = std::exchange(blob->content, content);
      blob->generation.store(generation, std::memory_order_release);
      if (former != nullptr) ngx_slab_free_locked(&pool_, former);
      written = true;
    }
  }
  if (!written) say_full("workers keep copies of their own");
  return written;
}

bool SharedZone::try_lease(std::string_view name, Milliseconds hold) noexcept {
  const std::int64_t now = steady_now();
  {
    const Lock lock(pool_);
    if (auto* lease = find_or_add<Lease>(name, lock)) {
      if (lease->until > now) return false;
      lease->holder = ngx_pid;
      lease->until = now + hold.count();
      return true;
    }
  }
  // No room: at least one in flight for this worker.
  say_full("each worker refreshes for itself");
  try {
    SteadyTime& until = own_leases_[std::string(name)];
    if (until > SteadyTime(Milliseconds(now))) return false;
    until = SteadyTime(Milliseconds(now)) + hold;
    return true;
  } catch (...) {
    return false;
  }
}

void SharedZone::release(std::string_view name) noexcept {
  const Lock lock(pool_);
  if (auto* lease = find<Lease>(name)) {
    // Another worker may have taken it after it ran out.
    if (lease->holder == ngx_pid) lease->until = 0;
  } else if (const auto own = own_leases_.find(name); own != own_leases_.end()) {
    own->second = {};
  }
}

bool SharedZone::advance(std::string_view name, const Progress& seen) noexcept {
  {
    const Lock lock(pool_);
    if (auto* mark = find_or_add<Mark>(name, lock)) {
      if (mark->set && !seen.follows(mark->progress)) return false;
      mark->progress = seen;
      mark->set = true;
      return true;
    }
  }
  say_full("each worker remembers for itself how new the policy store was");
  try {
    const auto [own, first] = own_marks_.try_emplace(std::string(name), seen);
    if (!first && !seen.follows(own->second)) return false;
    own->second = seen;
    return true;
  } catch (...) {
    return false;
  }
}

void SharedZone::Table::lock() noexcept { ngx_shmtx_lock(&zone_.pool_.mutex); }
void SharedZone::Table::unlock() noexcept { ngx_shmtx_unlock(&zone_.pool_.mutex); }
void* SharedZone::Table::allocate(std::size_t size) noexcept { return ngx_slab_alloc_locked(&zone_.pool_, size); }
void SharedZone::Table::release(void* memory) noexcept { ngx_slab_free_locked(&zone_.pool_, memory); }
void*& SharedZone::Table::root() noexcept { return root_; }
std::size_t SharedZone::Table::size() const noexcept {
  return static_cast<std::size_t>(zone_.pool_.end - reinterpret_cast<u_char*>(&zone_.pool_));
}

std::string_view SharedZone::own_key() const noexcept {
  return {reinterpret_cast<const char*>(root_.key.data()), root_.key.size()};
}

Metrics::Cell& SharedZone::cell(std::string_view series) {
  if (auto* known = find<Counter>(series)) return known->value;
  {
    const Lock lock(pool_);
    if (auto* counter = find_or_add<Counter>(series, lock)) return counter->value;
  }
  say_full("some metrics are missing");
  auto& own = own_cells_[std::string(series)];
  if (!own) own = std::make_unique<Cell>(0);
  return *own;
}

std::string SharedZone::render_metrics() const {
  std::vector<MetricSample> samples;
  for (const auto& head : root_.tables[Counter::table]) {
    for (const Entry* entry = head.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next.load(std::memory_order_acquire)) {
      const auto* counter = static_cast<const Counter*>(entry);
      samples.push_back({counter->text(), counter->value.load(std::memory_order_relaxed)});
    }
  }
  return metrics_text(samples);
}

}  // namespace agw::nginx
