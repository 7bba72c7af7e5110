// What several commands take on the command line, read strictly.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/time.h"

namespace agw::agwctl {

[[nodiscard]] WallTime now();

// Each throws Failure (usage) with what to write instead; `option` names the place on the command line.
void expect_id(const std::string& option, const std::string& id);
[[nodiscard]] WallTime time_of(const std::string& option, const std::string& text);
[[nodiscard]] std::optional<WallTime> time_of(const std::string& option, const std::optional<std::string>& text);
/// `30m`, `1h`, `2d`; s, m, h, d, w.
[[nodiscard]] Milliseconds duration_of(const std::string& option, const std::string& text);
void expect_operation(const std::string& option, const std::string& name);
void expect_tenant(const std::string& name);
/// A group of a token.
void expect_group(const std::string& group);

/// Who holds grants.
struct Holder {
  std::string kind;  ///< agent, tier, bundle; user, group
  std::string name;
  [[nodiscard]] bool has_entitlements() const { return kind == "user" || kind == "group"; }
  /// The key that holds them, without its prefix.
  [[nodiscard]] std::string key() const {
    return (has_entitlements() ? "entitlements:" : "grants:") + kind + ":" + name;
  }
};
[[nodiscard]] Holder holder_of(const std::string& text);

}  // namespace agw::agwctl
