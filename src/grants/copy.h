// One worker's copy of what it has asked the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"
#include "agw/model/principal.h"

#include "facts_memory.h"
#include "gather.h"
#include "stripes.h"

namespace agw::grants {

/// A record, and until when it is true: while its stripe stands and its time isn't over.
struct Copied {
  RecordPtr record;
  Stripes::Stamp stamp;
  SteadyTime ends = SteadyTime::max();
};

struct CopiedMeta {
  Meta meta;
  Stripes::Stamp stamp;
  SteadyTime ends = SteadyTime::max();
};

/// Facts of copies alone, with what they hang on.
struct CopiedFacts final : GatheredFacts {
  std::vector<Stripes::Stamp> stamps;
  SteadyTime ends = SteadyTime::max();
  mutable std::uint64_t moves = 0;  ///< of the stripes, when the stamps were last looked at
};

/// Records by key, meta by tenant, and the facts that were made of them. Bounded in bytes: what was
/// not used lately goes first, and what isn't there is asked for, so that eviction costs a trip and
/// never an answer. Nothing in it says that something is *not* in the store but a record that was
/// read so. Whether the copy may be used at all (the lease) is the caller's question.
class Copy {
 public:
  Copy(Stripes& stripes, std::size_t limit) : stripes_(stripes), limit_(limit) {}

  /// Null: not at hand, or not true any more.
  [[nodiscard]] const Copied* find(const std::string& key, SteadyTime now);
  /// Kept if its stripe still stands and it has room.
  void put(const std::string& key, Copied copied);
  [[nodiscard]] const CopiedMeta* meta(std::string_view tenant, SteadyTime now) const;
  void put_meta(const std::string& tenant, CopiedMeta meta);
  /// Tenants whose meta is here, true or not.
  [[nodiscard]] std::vector<std::string> tenants() const;
  /// What their meta said last, true or not.
  [[nodiscard]] const auto& metas() const noexcept { return metas_; }

  /// The warm hit. Null: gather anew.
  [[nodiscard]] policy::FactsPtr facts(const Principal& principal, std::string_view operation, SteadyTime now);
  /// What was known when writes were last heard of, where nothing has spoken against it since. Null: nothing.
  struct Last {
    std::shared_ptr<const CopiedFacts> facts;
    const CopiedMeta* meta = nullptr;
  };
  [[nodiscard]] Last last_facts(const Principal& principal, std::string_view operation, SteadyTime now) const;
  /// As it was read, true or not; null: it isn't here.
  [[nodiscard]] const Record* peek(const std::string& key) const;
  void remember(PrincipalPtr principal, std::string_view operation, std::shared_ptr<CopiedFacts> facts);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_ + facts_bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }

 private:
  struct Entry {
    std::string key;
    Copied copied;
    bool used = true;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);
  void make_room();
  void forget_facts() noexcept;

  Stripes& stripes_;
  std::size_t limit_;
  Entries order_;  ///< the one to be looked at first for eviction stands in front
  std::unordered_map<std::string_view, Entries::iterator> entries_;
  std::unordered_map<std::string, CopiedMeta, StringHash, std::equal_to<>> metas_;
  FactsMemory facts_;
  std::size_t bytes_ = 0;
  std::size_t facts_bytes_ = 0;
  std::uint64_t evictions_ = 0;
};

/// Copies, and what this call has read itself (which may have had no room).
class CopySource final : public RecordSource {
 public:
  using Fresh = std::unordered_map<std::string, Copied>;
  CopySource(Copy& copy, const Stripes& stripes, const Fresh& fresh, SteadyTime now, CopiedFacts& facts)
      : copy_(copy), stripes_(stripes), fresh_(fresh), now_(now), facts_(facts) {}
  [[nodiscard]] RecordPtr find(const std::string& key) override;
  /// Whether all of it is in the copy: facts of anything else aren't remembered, or the limit would be none.
  [[nodiscard]] bool all_copied() const noexcept { return all_copied_; }

 private:
  Copy& copy_;
  const Stripes& stripes_;
  const Fresh& fresh_;
  SteadyTime now_;
  CopiedFacts& facts_;
  bool all_copied_ = true;
};

}  // namespace agw::grants
