// What a worker has gathered about its callers from one compiled policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agw/model/principal.h"
#include "agw/policy/facts.h"

namespace agw::grants {

/// Facts by principal and operation. Bounded: when it is full it begins anew, since gathering
/// costs a few look-ups. A principal is known by its address, and held, so that the address isn't
/// another's later.
class FactsMemory {
 public:
  [[nodiscard]] policy::FactsPtr find(const Principal& principal, std::string_view operation) const {
    const auto it = facts_.find(View{&principal, operation});
    return it == facts_.end() ? nullptr : it->second;
  }
  enum class Began : std::uint8_t { before, anew };
  Began remember(PrincipalPtr principal, std::string_view operation, policy::FactsPtr facts) {
    const Began began = facts_.size() >= most ? Began::anew : Began::before;
    if (began == Began::anew) facts_.clear();
    facts_.insert_or_assign(Key{std::move(principal), std::string(operation)}, std::move(facts));
    return began;
  }
  void clear() noexcept { facts_.clear(); }

 private:
  static constexpr std::size_t most = 16384;

  struct Key {
    PrincipalPtr principal;
    std::string operation;
  };
  struct View {
    // NOLINTNEXTLINE(google-explicit-constructor): a Key is looked up as what it holds.
    View(const Key& key) noexcept : principal(key.principal.get()), operation(key.operation) {}
    View(const Principal* who, std::string_view what) noexcept : principal(who), operation(what) {}
    const Principal* principal;
    std::string_view operation;
  };
  struct Hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(View view) const noexcept {
      return std::hash<std::string_view>{}(view.operation) ^
             (reinterpret_cast<std::uintptr_t>(view.principal) * 0x9E3779B97F4A7C15ULL);
    }
  };
  struct Equal {
    using is_transparent = void;
    [[nodiscard]] bool operator()(View left, View right) const noexcept {
      return left.principal == right.principal && left.operation == right.operation;
    }
  };
  std::unordered_map<Key, policy::FactsPtr, Hash, Equal> facts_;
};

}  // namespace agw::grants
