// An audit log in memory: a journal whose processes come and go, a file that can fail.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agw/audit/sealer.h"
#include "agw/audit/writer.h"
#include "agw/io/journal_memory.h"
#include "agw/io/log_file.h"

#include "support/fakes.h"

namespace agw::test {

/// What all processes share.
struct SharedJournal {
  explicit SharedJournal(std::size_t segments = 3, std::size_t bytes = 64U * 1024)
      : control((audit::control_bytes() + 15) / 8), memory(segments, std::vector<std::uint64_t>(bytes / 8)) {}
  std::vector<std::uint64_t> control;
  std::vector<std::vector<std::uint64_t>> memory;
  std::map<std::size_t, const void*> owners;
  const void* sealer = nullptr;
};

/// One process's view.
class MemoryJournal final : public JournalMemory {
 public:
  explicit MemoryJournal(SharedJournal& shared) : shared_(shared) {}
  MemoryJournal(const MemoryJournal&) = delete;
  MemoryJournal& operator=(const MemoryJournal&) = delete;
  ~MemoryJournal() override { die(); }
  /// What the kernel does when the process ends.
  void die() noexcept {
    std::erase_if(shared_.owners, [this](const auto& entry) { return entry.second == this; });
    if (shared_.sealer == this) shared_.sealer = nullptr;
  }
  std::span<std::byte> control() noexcept override { return std::as_writable_bytes(std::span(shared_.control)); }
  std::size_t segments() const noexcept override { return shared_.memory.size(); }
  std::span<std::byte> segment(std::size_t index) noexcept override {
    return std::as_writable_bytes(std::span(shared_.memory[index]));
  }
  bool take(std::size_t index) noexcept override {
    return shared_.owners.try_emplace(index, this).first->second == this;
  }
  void release(std::size_t index) noexcept override {
    if (const auto owner = shared_.owners.find(index); owner != shared_.owners.end() && owner->second == this)
      shared_.owners.erase(owner);
  }
  bool owned(std::size_t index) noexcept override { return shared_.owners.contains(index); }
  bool take_control() noexcept override {
    if (shared_.sealer == nullptr) shared_.sealer = this;
    return shared_.sealer == this;
  }

 private:
  SharedJournal& shared_;
};

class MemoryLog final : public LogFile {
 public:
  std::optional<State> begin() noexcept override {
    if (busy) return std::nullopt;
    return State{identity, text.size(), regular};
  }
  void end() noexcept override {}
  std::size_t append(std::string_view bytes) noexcept override {
    const std::size_t taken = std::min(bytes.size(), room);
    text += bytes.substr(0, taken);
    if (room != no_limit) room -= taken;
    ++writes;
    return taken;
  }
  std::string read(std::uint64_t which, std::uint64_t offset, std::size_t size) override {
    const std::string& from = which == identity ? text : rotated[which];
    return offset < from.size() ? from.substr(offset, size) : std::string();
  }
  bool cut(std::uint64_t which, std::uint64_t size) noexcept override {
    if (!can_cut) return false;
    (which == identity ? text : rotated[which]).resize(size);
    return true;
  }
  void rotate() {
    rotated[identity++] = std::move(text);
    text.clear();
  }
  /// All that was written, the oldest file first.
  std::string whole() const {
    std::string out;
    for (const auto& [which, content] : rotated) out += content;
    return out + text;
  }
  bool sync() noexcept override {
    ++syncs;
    return !sync_fails;
  }

  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);
  std::string text;
  std::size_t room = no_limit;  ///< bytes until the disk is full
  std::uint64_t identity = 1;
  std::map<std::uint64_t, std::string> rotated;
  bool regular = true;
  bool can_cut = true;
  bool busy = false;
  bool sync_fails = false;
  int syncs = 0;
  int writes = 0;
};

/// Everything of one server's, with one worker and a sealer.
struct AuditLog {
  explicit AuditLog(std::string key = std::string(32, 'k'), std::size_t segment_bytes = 8U << 20)
      : shared(3, segment_bytes) {
    MemoryJournal master(shared);
    audit::want_chain(master, key, random);
  }
  /// Seals what is finished, and returns the events' lines: without the chain's own records.
  std::vector<std::string> lines() {
    sealer.pass();
    std::vector<std::string> out;
    for (std::size_t at = 0; at < file.text.size();) {
      const std::size_t end = file.text.find('\n', at);
      out.push_back(file.text.substr(at, end - at));
      at = end == std::string::npos ? file.text.size() : end + 1;
    }
    std::erase_if(out, [](const auto& line) { return line.find(R"("type":"audit.)") != std::string::npos; });
    return out;
  }

  FakeClock clock;
  FakeRandom random;
  FakeLog log;
  MemoryMetrics metrics;
  SharedJournal shared;
  MemoryJournal worker{shared};
  MemoryJournal helper{shared};
  MemoryLog file;
  audit::Writer writer{{&worker, log, metrics, audit::OnError::deny}};
  audit::Sealer sealer{{helper, file, clock, random, log, metrics, audit::Sync::none}};
};

}  // namespace agw::test
