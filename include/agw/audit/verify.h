// Whether an audit log is what was written.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/secret.h"

namespace agw::audit {

/// What is wrong, and where.
struct Finding {
  std::string file;
  std::uint64_t line = 0;  ///< from 1; 0: the file as a whole
  std::string what;        ///< one sentence; no bytes of the log but chain names and numbers
};

/// Reads logs in the order in which they were written (rotated ones first). Chains may be mixed.
class Verifier {
 public:
  struct Options {
    /// Whether lines without MACs are good: an attacker can take the MACs off.
    bool unkeyed = false;
    /// Whether every chain must begin and end in these files.
    bool whole = false;
  };
  /// `keys`: the contents of the files that agent_audit's key named. Throws if OpenSSL has no HMAC.
  Verifier(const std::vector<Secret>& keys, Options options);
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  void read(const std::string& name, std::istream& in);
  /// After the last file.
  void finish();

  [[nodiscard]] const std::vector<Finding>& findings() const noexcept;
  /// What isn't wrong but worth knowing: chains that go on elsewhere.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept;
  [[nodiscard]] std::uint64_t lines() const noexcept;
  [[nodiscard]] std::uint64_t chains() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::audit
