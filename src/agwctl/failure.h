// How a command ends.
#pragma once

#include <stdexcept>
#include <string>

namespace agw::agwctl {

/// Exit statuses, as `agwctl --help` and docs/store.md document them.
enum Exit : int {
  exit_ok = 0,
  exit_failed = 1,  ///< the file is wrong, the store doesn't answer, the policy changed meanwhile
  exit_usage = 2,   ///< the command line is wrong
  exit_denied = 3   ///< the answer is no: denied, nobody, not as expected, something found, the log was changed
};

/// Ends a command: one sentence for people, without secrets.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& sentence, Exit status = exit_failed)
      : std::runtime_error(sentence), status_(status) {}
  [[nodiscard]] Exit status() const noexcept { return status_; }

 private:
  Exit status_;
};

}  // namespace agw::agwctl
