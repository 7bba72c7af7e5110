// What one call has taken, and gives back when it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agw/limits/outcome.h"
#include "agw/model/reason.h"
#include "agw/policy/charges.h"

namespace agw::limits {

/// Where the places of calls at once are given back. Outlives what it lends to, by being shared.
class Lender {
 public:
  virtual ~Lender() = default;
  virtual void give_back(const std::vector<policy::Charge>& charges, std::uint64_t hold) noexcept = 0;
};

/// Belongs to the call. Its destruction ends the call for limits on calls at once, whatever way it
/// ended; a worker that is killed loses its places when their lease is over.
class Usage {
 public:
  Usage(std::vector<policy::Charge> charges, std::uint64_t hold) : charges_(std::move(charges)), hold_(hold) {}
  Usage(const Usage&) = delete;
  Usage& operator=(const Usage&) = delete;
  ~Usage() { end(); }

  [[nodiscard]] const std::vector<policy::Charge>& charges() const noexcept { return charges_; }
  [[nodiscard]] std::uint64_t hold() const noexcept { return hold_; }
  [[nodiscard]] bool holds() const noexcept { return lender_ != nullptr; }
  void lend(std::shared_ptr<Lender> lender) noexcept { lender_ = std::move(lender); }
  void end() noexcept {
    if (auto lender = std::exchange(lender_, nullptr)) lender->give_back(charges_, hold_);
  }

  Outcome outcome;
  std::optional<Reason> refusal;  ///< nothing: the call may go on
  std::string detail;             ///< why the counters couldn't be asked, for the log

  /// The limit that refused; null if none did.
  [[nodiscard]] const Limit* refused_by() const noexcept {
    return outcome.kind == Taking::refused ? charges_[outcome.refused_by].limit : nullptr;
  }

 private:
  std::vector<policy::Charge> charges_;
  std::uint64_t hold_;
  std::shared_ptr<Lender> lender_;
};
using UsagePtr = std::shared_ptr<Usage>;

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4):
/// all limits of the call, or the one that refused it. Empty where nothing is known.
[[nodiscard]] std::string policy_field(const Usage& usage);
[[nodiscard]] std::string state_field(const Usage& usage);
/// For `Retry-After`: whole seconds, at least 1.
[[nodiscard]] std::int64_t retry_after(const Usage& usage) noexcept;

}  // namespace agw::limits
