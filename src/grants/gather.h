// Which records a call needs, and the facts that they make.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/model/principal.h"
#include "agw/policy/facts.h"

#include "record.h"

namespace agw::grants {

/// The bundles that a tier had when it was last read, so that they can be asked for together with
/// the tier itself. Never believed: the tier's record says which of them count.
class BundleHints {
 public:
  [[nodiscard]] const std::vector<std::string>* find(const std::string& tier_key) const {
    const auto it = bundles_.find(tier_key);
    return it == bundles_.end() ? nullptr : &it->second;
  }
  void put(const std::string& tier_key, const std::vector<std::string>& names) {
    if (bundles_.size() >= most && !bundles_.contains(tier_key)) bundles_.clear();
    bundles_[tier_key] = names;
  }

 private:
  static constexpr std::size_t most = 4096;
  std::unordered_map<std::string, std::vector<std::string>> bundles_;
};

/// Where records are at hand.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// Null: it isn't at hand and must be asked for.
  [[nodiscard]] virtual RecordPtr find(const std::string& key) = 0;
};

/// Facts with what they point into.
struct GatheredFacts : policy::Facts {
  std::vector<RecordPtr> records;
};

/// What is still to be asked for, or what is wrong with what was read.
struct Missing {
  std::vector<Want> wanted;
  std::string broken;
};

/// Fills `facts` from what `source` has. Complete if nothing is wanted and nothing broken; what is
/// wanted may name more the next time, when it is known which tier and which groups there are.
void gather(const Principal& principal, std::string_view operation, RecordSource& source, BundleHints& hints,
            GatheredFacts& facts, Missing& missing);

}  // namespace agw::grants
