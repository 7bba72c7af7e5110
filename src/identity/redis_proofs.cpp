#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/identity/proofs.h"

namespace agw::identity {
namespace {

/// KEYS: since when proofs are remembered; this proof, or nothing. ARGV: when it was made, and for how long it is good,
/// in ms. Answers `fresh`, `spent` or `old`. Keys without an end are never evicted (a store that evicts is none).
constexpr std::string_view spend_script = R"lua(-- proof
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local since = tonumber(redis.call('GET', KEYS[1]) or '')
if not since then
  since = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end
if not KEYS[2] then return 'begun' end
if tonumber(ARGV[1]) < since then return 'old' end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 'fresh' end
return 'spent'
)lua";

std::string prefix_of(const std::string& tenant) { return "agw:v:{" + tenant + "}:once:"; }

std::string_view bytes_of(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// A proof outlives its last moment by the tolerated difference of clocks.
constexpr Milliseconds margin{60'000};

}  // namespace

RedisProofs::RedisProofs(Redis& redis, Log& log) : redis_(redis), log_(log), script_(spend_script) {}

ValueTask<Spending> RedisProofs::spend(Proven proof) { return run(std::move(proof)); }

Task<Spending> RedisProofs::run(Proven proof) {
  const std::string prefix = prefix_of(proof.tenant);
  std::vector<std::string> keys{prefix + "proofs-since", prefix + "proof:" + base64url_encode(bytes_of(proof.id))};
  const Milliseconds life = proof.good_until - proof.made + margin;
  std::vector<std::string> arguments{std::to_string(proof.made.time_since_epoch().count()),
                                     std::to_string(life.count())};
  auto running = script_.run(redis_, std::move(keys), std::move(arguments));
  const auto reply = co_await std::move(running);
  if (!reply) {
    log_.write(LogLevel::error, "agent_dpop: Redis can't be asked which proofs were used: " + reply.error());
    co_return Spending::unavailable;
  }
  if (reply->text == "fresh") co_return Spending::fresh;
  if (reply->text == "spent") co_return Spending::spent;
  co_return reply->text == "old" ? Spending::too_old : Spending::unavailable;
}

Task<void> RedisProofs::begin(std::string tenant) {
  std::vector<std::string> keys{prefix_of(tenant) + "proofs-since"};
  // Where Redis doesn't answer the first proof does it.
  auto running = script_.run(redis_, std::move(keys), {});
  static_cast<void>(co_await std::move(running));
}

}  // namespace agw::identity
