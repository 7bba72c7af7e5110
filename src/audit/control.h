// What one sealer leaves for the next: the chain's state, and the batch that it was writing.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "agw/audit/chain.h"

namespace agw::audit {

/// A short name in shared memory, NUL-padded.
template <std::size_t N>
struct Name {
  std::array<char, N> bytes{};

  [[nodiscard]] std::string_view text() const noexcept {
    std::size_t size = 0;
    while (size < N && bytes[size] != '\0') ++size;
    return {bytes.data(), size};
  }
  /// Whether lines may carry it: it needs no escape.
  [[nodiscard]] bool plain() const noexcept {
    for (const char c : text())
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    return true;
  }
  void set(std::string_view text) noexcept {
    bytes = {};
    text.copy(bytes.data(), N);
  }
};

struct ChainState {
  Name<16> chain;  ///< empty: there was none yet
  Name<16> key_id; ///< empty: no MACs
  std::uint64_t seq = 0;   ///< of the last line
  Sha256 mac{};            ///< of the last line
  ChainKey key{};          ///< of the next batch
  std::uint64_t step = 0;  ///< of that key
  std::uint64_t start = 0; ///< the ChainStart that it answers
  std::uint32_t open = 0;  ///< whether lines may follow
};

/// What the master wants: a new chain. Written by it alone.
struct ChainStart {
  std::atomic<std::uint64_t> number;  ///< odd while it is being written
  Name<16> chain;
  Name<16> key_id;
  ChainKey key;
};

enum class BatchKind : std::uint32_t { events, open, close, lost, damaged };

struct EventRef {
  std::uint32_t segment;
  std::uint32_t slot;
  std::uint64_t number;  ///< the slot's word: it is still the same event
};
inline constexpr std::size_t max_batch = 1024;  // as many as there is room for

/// Everything that a batch's bytes depend on besides the chain's state and the slots: a successor
/// makes the same bytes again and sees how many of them are in the file.
struct Batch {
  BatchKind kind = BatchKind::events;
  std::uint32_t size = 0;     ///< events
  std::uint64_t file = 0;     ///< LogFile::State::identity
  std::uint64_t offset = 0;   ///< where the file ended before
  std::uint64_t written = 0;  ///< what is known to be in a file that can't be read back
  std::int64_t time = 0;      ///< of a record, in milliseconds
  std::uint64_t count = 0;    ///< in a record
  Name<32> id;                ///< of a record
  Name<16> chain;             ///< of an opening record: what it opens
  Name<16> key_id;
  ChainKey key{};
  std::array<EventRef, max_batch> events;
};

/// The phase and the chain's state in force change together, by one store.
enum class Phase : std::uint32_t { idle, writing, written };

struct Control {
  std::uint64_t mark;
  std::atomic<std::uint64_t> word;
  std::array<ChainState, 2> states;
  ChainStart start;
  Batch batch;

  [[nodiscard]] Phase phase() const noexcept { return static_cast<Phase>(word.load(std::memory_order_acquire) & 3U); }
  [[nodiscard]] std::size_t current() const noexcept { return (word.load(std::memory_order_acquire) >> 8U) & 1U; }
  void set(Phase phase, std::size_t current) noexcept {
    word.store(static_cast<std::uint64_t>(phase) | current << 8U, std::memory_order_release);
  }

  /// Whether its names are such as were ever written.
  [[nodiscard]] bool believable() const noexcept {
    for (const ChainState& state : states)
      if (!state.chain.plain() || !state.key_id.plain()) return false;
    return start.chain.plain() && start.key_id.plain() && batch.chain.plain() && batch.key_id.plain();
  }

  /// Null if the memory is too small. What nobody or another version has written, and what no longer
  /// can be what was written, is made anew: the master then wants a chain.
  [[nodiscard]] static Control* view(std::span<std::byte> memory) noexcept;
};

}  // namespace agw::audit
