#include "issuer_keys.h"

#include <algorithm>

#include "agw/base/exception.h"
#include "agw/identity/client_access.h"

#include "svid.h"

namespace agw::identity {
namespace {

constexpr std::size_t max_document_bytes = 1U << 20;
constexpr Milliseconds poll_interval{20};
/// How often a key file is looked at: one stat, at most once a second.
constexpr Milliseconds file_interval{1000};
constexpr Milliseconds first_retry{500};
/// After a fetch that failed, before anybody may cause another one.
constexpr Milliseconds failed_pause{1000};
constexpr Milliseconds longest_retry{30'000};
/// While there are no keys: who waits for readiness sends no call that would ask.
constexpr Milliseconds longest_retry_without_keys{2000};

std::vector<std::string> urls_of(const IssuerConfig& config) {
  auto all = oauth::well_known_urls(config.issuer);
  if (config.discovery == Discovery::automatic) return all;
  const std::string_view wanted =
      config.discovery == Discovery::oauth ? "oauth-authorization-server" : "openid-configuration";
  std::erase_if(all, [&](const std::string& url) { return url.find(wanted) == std::string::npos; });
  return all;
}

/// A lease outlives the slowest honest fetch, which ends at its deadline.
Milliseconds lease_time(const IssuerConfig& config) { return config.timeout * 2; }

}  // namespace

IssuerKeys::IssuerKeys(Authenticator::Host host, const IssuerConfig& config)
    : host_(host),
      config_(config),
      keys_name_("keys:" + config.digest()),
      lease_name_("fetch:" + config.digest()),
      unknown_name_("unknown:" + config.digest()),
      failed_name_("failed:" + config.digest()),
      file_(config.jwks_file, max_document_bytes),
      fetches_(host.loop, [this](const std::exception_ptr& error) { return crashed(error); }),
      discoveries_(host.loop, [this](const std::exception_ptr& error) { return crashed(error); }),
      refreshed_(host.metrics.cell("agent_keys_refresh_total{issuer=\"" + config.alias + "\",result=\"ok\"}")),
      failed_(host.metrics.cell("agent_keys_refresh_total{issuer=\"" + config.alias + "\",result=\"failed\"}")) {}

void IssuerKeys::say(LogLevel level, const std::string& what) {
  host_.log.write(level, "agent_issuer " + config_.alias + ": " + what);
}

bool IssuerKeys::crashed(const std::exception_ptr& error) {
  say(LogLevel::alert, "fetching keys or metadata ended in an exception: " + std::string(text_of(error)));
  return false;
}

bool IssuerKeys::take(std::string_view json, WallTime written) {
  if (keys_ && json == keys_json_) {
    written_ = written;
    return true;
  }
  auto parsed = jose::KeySet::parse(json);
  if (!parsed) return false;
  written_ = written;
  keys_ = *std::move(parsed);
  keys_json_ = json;
  ++generation_;
  return true;
}

void IssuerKeys::load_file() {
  if (host_.clock.steady() < next_look_) return;
  next_look_ = host_.clock.steady() + file_interval;
  const auto content = file_.read();
  if (!content) {
    if (last_fault_.empty()) say(LogLevel::error, config_.jwks_file + " can't be read; the last keys are believed");
    last_fault_ = "the key file can't be read";
    return;
  }
  if (file_.generation() == file_generation_) return;
  file_generation_ = file_.generation();
  last_fault_.clear();
  if (take((*content)->reveal(), host_.clock.now())) return;
  last_fault_ = "the key file holds no usable key";
  say(LogLevel::error, config_.jwks_file + " holds no usable key; the last keys are believed");
}

void IssuerKeys::take_from_zone() {
  if (zone_cell_ == nullptr) zone_cell_ = host_.zone.generation_cell(keys_name_);
  const std::uint64_t now = zone_cell_ == nullptr ? 0 : zone_cell_->load(std::memory_order_acquire);
  if (now == zone_generation_) return;
  zone_generation_ = now;
  const auto blob = host_.zone.read(keys_name_);
  if (!blob || !take(blob->bytes, blob->written)) return;
  last_fault_.clear();
  tell(true);
}

SteadyTime IssuerKeys::deadline() const { return host_.clock.steady() + config_.timeout; }

bool IssuerKeys::believed() const {
  if (!keys_) return false;
  return !config_.jwks_file.empty() || host_.clock.now() - written_ < config_.keys_max_age;
}

const jose::KeySet* IssuerKeys::current() {
  if (config_.jwks_file.empty()) {
    take_from_zone();
  } else {
    load_file();
  }
  return believed() ? keys_.get() : nullptr;
}

Task<std::optional<std::string>> IssuerKeys::get(std::string url, SteadyTime deadline) {
  const Milliseconds left = std::chrono::duration_cast<Milliseconds>(deadline - host_.clock.steady());
  if (left.count() <= 0) {
    last_fault_ = to_string(HttpError::timeout);
    co_return std::nullopt;
  }
  HttpRequest request;
  // The operator vouches for the issuer's own host; another one comes from a document.
  request.addresses = addresses_for(url, config_);
  request.url = std::move(url);
  request.headers = {{"Accept", "application/json"}};
  request.ca_file = config_.ca_file;
  request.proxy = config_.proxy;
  request.timeout = left;
  request.max_body = max_document_bytes;
  auto response = co_await host_.http.fetch(std::move(request));
  if (!response) {
    last_fault_ = to_string(response.error());
    co_return std::nullopt;
  }
  if (response->status != 200) {
    last_fault_ = "status " + std::to_string(response->status);
    co_return std::nullopt;
  }
  co_return std::move(response->body);
}

Task<std::optional<oauth::ServerMetadata>> IssuerKeys::discover(SteadyTime deadline) {
  const auto urls = urls_of(config_);
  const std::size_t first = first_url_;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    const std::size_t index = (first + i) % urls.size();
    const auto document = co_await get(urls[index], deadline);
    // One that hangs takes all the time there is: the next attempt begins behind it.
    if (!document && host_.clock.steady() >= deadline) {
      first_url_ = (index + 1) % urls.size();
      break;
    }
    if (!document) continue;
    auto parsed = oauth::parse_server_metadata(*document, config_.issuer);
    if (parsed) {
      first_url_ = index;
      metadata_ = *parsed;
      co_return metadata_;
    }
    last_fault_ = parsed.error() == oauth::MetadataError::issuer_mismatch ? "its metadata names another issuer"
                  : parsed.error() == oauth::MetadataError::endpoint_refused
                      ? "its metadata names an endpoint that isn't https"
                      : "its metadata is malformed";
  }
  co_return std::nullopt;
}

Task<bool> IssuerKeys::fetch_keys(SteadyTime deadline) {
  // Metadata is asked for anew each time: an issuer may move its keys.
  const auto metadata = co_await discover(deadline);
  if (!metadata) co_return false;
  if (metadata->jwks_uri.empty()) {
    last_fault_ = "its metadata names no key set";
    co_return false;
  }
  const auto document = co_await get(metadata->jwks_uri, deadline);
  if (!document) co_return false;
  if (!jose::KeySet::parse(*document)) {
    last_fault_ = "its key set has no usable key";
    co_return false;
  }
  const WallTime now = host_.clock.now();
  if (host_.zone.write(keys_name_, *document, now)) {
    take_from_zone();
  } else {
    say(LogLevel::error, "agent_zone is full; this worker keeps the keys for itself");
    static_cast<void>(take(*document, now));
  }
  co_return believed();
}

Task<IssuerKeys::Fetched> IssuerKeys::fetch_once(SteadyTime deadline) {
  if (!host_.zone.try_lease(lease_name_, lease_time(config_))) co_return Fetched::busy;
  bool good = false;
  std::exception_ptr crash;
  try {
    good = co_await fetch_keys(deadline);
  } catch (...) {
    crash = std::current_exception();
  }
  // Before anybody else may begin.
  if (!good) static_cast<void>(host_.zone.try_lease(failed_name_, failed_pause));
  host_.zone.release(lease_name_);
  if (crash) std::rethrow_exception(crash);
  (good ? refreshed_ : failed_).fetch_add(1, std::memory_order_relaxed);
  if (good) last_fault_.clear();
  tell(good);
  co_return good ? Fetched::ok : Fetched::failed;
}

/// The log hears of changes, not of every attempt.
void IssuerKeys::tell(bool good) {
  if (!good && told_fault_ != last_fault_) say(LogLevel::error, "keys can't be fetched: " + last_fault_);
  if (good && !told_fault_.empty()) say(LogLevel::notice, "keys are fetched again");
  told_fault_ = last_fault_;
}

bool IssuerKeys::taken(const std::string& lease) const noexcept {
  if (!host_.zone.try_lease(lease, Milliseconds(0))) return true;
  host_.zone.release(lease);
  return false;
}

bool IssuerKeys::fetch_is_under_way() { return fetches_.under_way() > 0 || taken(lease_name_); }

/// This worker's part in one fetch of all workers: it fetches, or waits until another one has.
Task<bool> IssuerKeys::fetch_or_wait(SteadyTime deadline) {
  const std::uint64_t before = host_.zone.generation(keys_name_);
  const Fetched result = co_await fetch_once(deadline);
  if (result != Fetched::busy) co_return result == Fetched::ok;
  while (host_.zone.generation(keys_name_) == before && host_.clock.steady() < deadline) {
    co_await host_.loop.sleep(poll_interval);
    // The one who fetched has ended, with new keys or without.
    if (!taken(lease_name_)) break;
  }
  co_return host_.zone.generation(keys_name_) != before;
}

/// One deadline for all requests of a fetch. Who joins one under way came later than who began
/// it, so nobody waits past his own.
Task<void> IssuerKeys::fetch_together(SteadyTime deadline) {
  auto work = [this, deadline] { return fetch_or_wait(deadline); };
  static_cast<void>(co_await fetches_.run("keys", std::move(work)));
}

Task<bool> IssuerKeys::await_keys() {
  if (!config_.jwks_file.empty() || is_keyless(config_)) co_return current() != nullptr;
  if (fetch_is_under_way() || !taken(failed_name_)) co_await fetch_together(deadline());
  co_return current() != nullptr;
}

Task<bool> IssuerKeys::refresh_for_unknown_key() {
  if (!config_.jwks_file.empty()) co_return false;
  const std::uint64_t before = generation_;
  static_cast<void>(current());
  if (generation_ != before) co_return true;
  // The floor is one lease of all workers that nobody gives back: a flood of unknown keys costs
  // the issuer one fetch in that time.
  const bool may_ask = host_.zone.try_lease(unknown_name_, config_.keys_floor);
  if (!may_ask && !fetch_is_under_way()) co_return false;
  const SteadyTime deadline = this->deadline();
  const bool joined = fetches_.under_way() > 0;
  co_await fetch_together(deadline);
  static_cast<void>(current());
  // A fetch that began before this question may not have seen the key yet.
  if (generation_ == before && joined && may_ask) co_await fetch_together(deadline);
  static_cast<void>(current());
  co_return generation_ != before;
}

Task<bool> IssuerKeys::discover_once() {
  const bool found = (co_await discover(deadline())).has_value();
  if (!found) next_discovery_ = host_.clock.steady() + failed_pause;
  co_return found;
}

Task<std::optional<oauth::ServerMetadata>> IssuerKeys::metadata() {
  if (!metadata_ && (discoveries_.under_way() > 0 || host_.clock.steady() >= next_discovery_)) {
    auto work = [this] { return discover_once(); };
    static_cast<void>(co_await discoveries_.run("metadata", std::move(work)));
  }
  co_return metadata_;
}

Task<void> IssuerKeys::keep_fresh() {
  if (!config_.jwks_file.empty() || is_keyless(config_) || !config_.verifies()) co_return;
  Milliseconds retry = first_retry;
  while (true) {
    static_cast<void>(current());
    const Milliseconds age = std::chrono::duration_cast<Milliseconds>(host_.clock.now() - written_);
    if (keys_ && age < config_.keys_refresh) {
      // A little earlier or later than the others, so that they don't all come at once.
      const auto jitter = Milliseconds(static_cast<std::int64_t>(host_.random.next() % 200));
      co_await host_.loop.sleep(std::max(Milliseconds(config_.keys_refresh) - age, Milliseconds(100)) + jitter);
      continue;
    }
    bool good = false;
    // The pause counts for this task too: each worker has one.
    if (!taken(failed_name_)) {
      auto work = [this] { return fetch_or_wait(deadline()); };
      good = co_await fetches_.run("keys", std::move(work));
    }
    if (good) {
      retry = first_retry;
      continue;
    }
    retry = std::min(retry, current() == nullptr ? longest_retry_without_keys : longest_retry);
    co_await host_.loop.sleep(retry);
    retry *= 2;
  }
}

IssuerHealth IssuerKeys::health() {
  IssuerHealth out;
  out.alias = config_.alias;
  out.usable = is_keyless(config_) || !config_.verifies() || current() != nullptr;
  out.detail = last_fault_;
  if (!out.usable && out.detail.empty()) out.detail = "no keys yet";
  return out;
}

void IssuerKeys::tell(status::Issuer& out) {
  const IssuerHealth now = health();
  out.name.set(now.alias);
  out.fault.set(now.detail);
  out.fetched = keys_ ? written_.time_since_epoch().count() : 0;
  out.usable = now.usable ? 1 : 0;
}

}  // namespace agw::identity
