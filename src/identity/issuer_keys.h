// One issuer's keys and metadata, as this worker knows them.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "agw/identity/authenticator.h"
#include "agw/io/single_flight.h"
#include "agw/jose/key_set.h"

namespace agw::identity {

/// Fetched by one worker for all: documents lie in the zone, a lease says who fetches. A key set
/// is refreshed before it ages and when a token names an unknown key, but never more often than
/// keys_floor allows; while fetches fail the last one is believed until keys_max_age. After a fetch
/// that failed nobody asks again for a moment, whoever calls: strangers can't make the gateway
/// hammer an issuer that is down.
class IssuerKeys {
 public:
  IssuerKeys(Authenticator::Host host, const IssuerConfig& config);
  IssuerKeys(const IssuerKeys&) = delete;
  IssuerKeys& operator=(const IssuerKeys&) = delete;

  [[nodiscard]] const IssuerConfig& config() const noexcept { return config_; }

  /// The keys that are believed now, taken over from the zone if another worker has newer ones;
  /// null if there are none.
  [[nodiscard]] const jose::KeySet* current();
  /// Grows with every other key set.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// Waits for a key set, at most the issuer's timeout.
  [[nodiscard]] Task<bool> await_keys();
  /// A token names a key that isn't there: asks again if the floor allows it. True if the key set
  /// is another one afterwards.
  [[nodiscard]] Task<bool> refresh_for_unknown_key();
  [[nodiscard]] Task<std::optional<oauth::ServerMetadata>> metadata();

  /// Refreshes in the background, for ever.
  [[nodiscard]] Task<void> keep_fresh();
  [[nodiscard]] IssuerHealth health();
  void tell(status::Issuer& out);

 private:
  enum class Fetched : std::uint8_t { ok, failed, busy };

  void load_file();
  bool crashed(const std::exception_ptr& error);
  void take_from_zone();
  bool take(std::string_view json, WallTime written);
  [[nodiscard]] bool believed() const;
  /// Of what begins now.
  [[nodiscard]] SteadyTime deadline() const;
  [[nodiscard]] Task<Fetched> fetch_once(SteadyTime deadline);
  [[nodiscard]] Task<bool> fetch_keys(SteadyTime deadline);
  [[nodiscard]] Task<std::optional<oauth::ServerMetadata>> discover(SteadyTime deadline);
  [[nodiscard]] Task<bool> discover_once();
  [[nodiscard]] Task<std::optional<std::string>> get(std::string url, SteadyTime deadline);
  [[nodiscard]] Task<bool> fetch_or_wait(SteadyTime deadline);
  [[nodiscard]] Task<void> fetch_together(SteadyTime deadline);
  [[nodiscard]] bool fetch_is_under_way();
  [[nodiscard]] bool taken(const std::string& lease) const noexcept;
  void tell(bool good);
  void say(LogLevel level, const std::string& what);

  Authenticator::Host host_;
  const IssuerConfig& config_;
  std::string keys_name_;   ///< in the zone
  std::string lease_name_;    ///< who fetches
  std::string unknown_name_;  ///< the floor between fetches because of unknown keys
  std::string failed_name_;   ///< the pause after a fetch that failed
  WatchedFile file_;
  std::uint64_t file_generation_ = 0;
  std::shared_ptr<const jose::KeySet> keys_;
  std::string keys_json_;
  WallTime written_{};
  std::uint64_t generation_ = 0;
  const std::atomic<std::uint64_t>* zone_cell_ = nullptr;  ///< the generation that lies in the zone
  std::uint64_t zone_generation_ = 0;
  SteadyTime next_look_{};               ///< at the file
  std::optional<oauth::ServerMetadata> metadata_;
  std::size_t first_url_ = 0;  ///< of the well-known ones: that which answered last, or the one after that which hung
  SteadyTime next_discovery_{};
  std::string last_fault_;
  std::string told_fault_;  ///< what the log says is wrong now
  SingleFlight<bool> fetches_;
  SingleFlight<bool> discoveries_;
  Metrics::Cell& refreshed_;
  Metrics::Cell& failed_;
};

}  // namespace agw::identity
