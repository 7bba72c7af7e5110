// What one process of the server says of itself, for who looks from outside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace agw::status {

/// A short text of plain bytes, NUL-padded; what is longer is cut.
template <std::size_t N>
struct Text {
  std::array<char, N> bytes{};

  [[nodiscard]] std::string_view view() const noexcept {
    const std::string_view all(bytes.data(), N);
    return all.substr(0, all.find('\0'));
  }
  void set(std::string_view text) noexcept {
    bytes = {};
    text.copy(bytes.data(), N);
  }
};

enum class Kind : std::uint32_t { none, worker, sealer };
enum class StoreKind : std::uint32_t { none, file, push, strict, max_age };

/// Two-valued numbers: every bit pattern in shared memory must be a value.
using Flag = std::uint32_t;

/// Of the process, set when it begins.
struct Process {
  Kind kind = Kind::none;
  std::uint32_t number = 0;      ///< nginx's, of a worker
  std::int32_t pid = 0;
  std::int32_t master = 0;       ///< its parent; another one: another nginx
  std::int64_t since = 0;        ///< milliseconds since 1970
  std::uint64_t generation = 0;  ///< which configuration of that nginx, from 1
  std::int64_t configured = 0;   ///< when it was loaded: milliseconds since 1970
  std::uint32_t workers = 0;     ///< that this configuration wants
  Flag audited = 0;              ///< whether it has an audit log
  std::uint32_t deaths = 0;      ///< of processes that had this one's place and didn't end in order
  std::int32_t dead = 0;         ///< pid of the last of them
};

/// The store, as this worker knows it.
struct Store {
  StoreKind kind = StoreKind::none;
  Flag usable = 0;               ///< file: calls aren't denied for its sake
  // A policy file.
  std::int64_t read = 0;         ///< when what is in force was read: milliseconds since 1970
  Text<64> digest;               ///< of what is in force
  Text<160> broken;              ///< the last edit's fault
  // Redis.
  Flag connected = 0;
  Flag hears = 0;                ///< push, strict: writes are heard of now
  Text<160> trouble;             ///< why it doesn't answer, or isn't believed
  std::int64_t heartbeat = -1;   ///< milliseconds since the last answered heartbeat was sent; -1: there was none
  std::int64_t bound = 0;        ///< of agent_freshness: milliseconds
  std::uint64_t connects = 0;    ///< of the connection that tells of writes
  // The copy.
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t invalidations = 0;
  std::uint64_t evictions = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t limit = 0;       ///< bytes
};

/// What a tenant's meta said last.
struct Tenant {
  Text<32> name;
  Text<40> incarnation;
  std::uint64_t version = 0;
  Flag current = 0;  ///< whether it counts now; else it is asked for with the next call
  Flag stopped = 0;  ///< its calls are stopped, as far as is known
};

struct Issuer {
  Text<32> name;
  Text<64> fault;
  std::int64_t fetched = 0;  ///< the key set: milliseconds since 1970; 0: there is none
  Flag usable = 0;
};

/// The audit journal, as its sealer sees it.
struct Journal {
  Flag sealing = 0;             ///< false: another process has the journal
  Flag written = 1;             ///< false: the audit log can't be written
  std::uint64_t segments = 0;
  std::uint64_t slots = 0;
  std::uint64_t used = 0;       ///< slots with events that aren't written yet, or calls under way
  std::uint64_t fullest = 0;  ///< of them, in the one segment that has the most: a worker that has no slot left denies
  std::uint64_t lines = 0;  ///< that this process has written
  std::int64_t sealed = 0;  ///< when the last one was: milliseconds since 1970; 0: none
};

inline constexpr std::size_t most_tenants = 16;
inline constexpr std::size_t most_issuers = 12;

/// All of it; every bit pattern is one, so that what a reader finds needs no more than looking at.
struct Report {
  Process process;
  std::int64_t told = 0;  ///< when: milliseconds by CLOCK_BOOTTIME
  Flag draining = 0;  ///< it takes no new connections any more
  Store store;
  std::uint32_t tenants = 0;  ///< that there are; `tenant` has the first of them
  std::uint32_t issuers = 0;  ///< likewise
  std::array<Tenant, most_tenants> tenant;
  std::array<Issuer, most_issuers> issuer;
  Journal journal;
  std::uint32_t break_glass = 0;  ///< agents for whom a stop doesn't hold now
  Text<128> break_glass_fault;  ///< why the file of them can't be read
};
static_assert(std::is_trivially_copyable_v<Report>);

/// Who has something to say.
class Source {
 public:
  virtual ~Source() = default;
  /// Adds its part. May throw for want of memory: the report is then not made.
  virtual void tell(Report& report) const = 0;
};

}  // namespace agw::status
