// What must be one for all workers, in one of nginx's shared memory zones.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agw/io/log.h"
#include "agw/io/shared_memory.h"
#include "agw/io/zone.h"

#include "../nginx.h"

namespace agw::nginx {

/// A zone lives as long as its name and size stay in the configuration: a reload finds it as the
/// running workers left it, and they go on using it.
///
/// Every lock is the slab pool's, the only one that nginx frees when its holder is killed. Nothing
/// throws, allocates from the heap or logs under it, and every change becomes visible by one store
/// of a pointer or a number, so that a holder killed at any point leaves the tables readable.
class SharedZone final : public Zone, public Metrics {
 public:
  /// While the configuration is read: declares the zone. Null after an error, which is logged.
  [[nodiscard]] static ngx_shm_zone_t* declare(ngx_conf_t* cf, ngx_str_t name, std::size_t size,
                                               ngx_module_t* module) noexcept;

  /// In a worker. `zone` lives as long as the cycle.
  SharedZone(ngx_shm_zone_t& zone, Log& log) noexcept;
  ~SharedZone() override;

  [[nodiscard]] std::uint64_t generation(std::string_view name) const noexcept override;
  [[nodiscard]] const std::atomic<std::uint64_t>* generation_cell(std::string_view name) const noexcept override;
  [[nodiscard]] std::optional<SharedBlob> read(std::string_view name) const override;
  bool write(std::string_view name, std::string_view bytes, WallTime now) override;
  [[nodiscard]] bool try_lease(std::string_view name, Milliseconds hold) noexcept override;
  void release(std::string_view name) noexcept override;

  [[nodiscard]] bool advance(std::string_view name, const Progress& seen) noexcept override;

  [[nodiscard]] Cell& cell(std::string_view series) override;

  /// Room for the counters of limits; nothing else is evicted for them.
  [[nodiscard]] SharedMemory& counters() noexcept { return counters_; }
  /// And for breakers.
  [[nodiscard]] SharedMemory& breakers() noexcept { return breakers_; }
  /// And for the names of tasks.
  [[nodiscard]] SharedMemory& tasks() noexcept { return tasks_; }

  /// And for proofs that were used.
  [[nodiscard]] SharedMemory& proofs() noexcept { return proofs_; }
  /// And for tokens that are used once.
  [[nodiscard]] SharedMemory& uses() noexcept { return uses_; }

  /// 32 random bytes, drawn when the zone was made: they survive a reload, and end with nginx.
  [[nodiscard]] std::string_view own_key() const noexcept;

  /// Prometheus' text format of everything counted so far, by all workers.
  [[nodiscard]] std::string render_metrics() const;

 private:
  struct Entry;
  struct Blob;
  struct Lease;
  struct Counter;
  struct Mark;
  struct Content;
  struct Root;
  class Lock;

  static ngx_int_t init(ngx_shm_zone_t* zone, void* old) noexcept;
  template <class E>
  [[nodiscard]] E* find(std::string_view name) const noexcept;
  template <class E>
  [[nodiscard]] E* find_or_add(std::string_view name, const Lock& lock) noexcept;
  [[nodiscard]] void* allocate(std::size_t size, const Blob* keep, const Lock& lock) noexcept;
  void say_full(const char* what) noexcept;

  /// A table of the core's own, which begins at its own place.
  class Table final : public SharedMemory {
   public:
    Table(SharedZone& zone, void*& root) noexcept : zone_(zone), root_(root) {}
    void lock() noexcept override;
    void unlock() noexcept override;
    [[nodiscard]] void* allocate(std::size_t size) noexcept override;
    void release(void* memory) noexcept override;
    [[nodiscard]] void*& root() noexcept override;
    [[nodiscard]] std::size_t size() const noexcept override;

   private:
    SharedZone& zone_;
    void*& root_;
  };

  ngx_slab_pool_t& pool_;
  Root& root_;
  Table counters_;
  Table breakers_;
  Table tasks_;
  Table proofs_;
  Table uses_;
  Log& log_;
  bool said_full_ = false;
  // What had no room: counted, leased and remembered by this worker alone.
  std::map<std::string, std::unique_ptr<Cell>, std::less<>> own_cells_;
  std::map<std::string, SteadyTime, std::less<>> own_leases_;
  std::map<std::string, Progress, std::less<>> own_marks_;
};

}  // namespace agw::nginx
