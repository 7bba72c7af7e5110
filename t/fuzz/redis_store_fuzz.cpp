// A whole question to a store whose Redis answers whatever it likes: the input is its replies, in the order in which
// they are asked for. Facts come only of a store that says it is whole.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/grants/redis_codec.h"
#include "agw/grants/redis_store.h"
#include "agw/io/redis_protocol.h"
#include "agw/policy/evaluate.h"

#include "support/claims.h"
#include "support/fakes.h"

namespace {

using namespace agw;
using fuzz::expect;

PrincipalPtr make_principal() {
  auto out = std::make_shared<Principal>();
  out->tenant = "default";
  out->user = "company|mira";
  out->agent = "company|docs";
  out->issuer = "company";
  out->groups = {"company|support"};
  out->jti = "j1";
  out->sid = "s1";
  out->issued_at = from_unix(1'799'999'000);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PrincipalPtr principal = make_principal();
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::MemoryZone zone(clock);
  test::ScriptedRedis redis;
  RedisReader reader(1U << 16U);
  if (!reader.feed({reinterpret_cast<const char*>(data), size})) return 0;
  bool meta_was_good = false;
  redis.answer = [&](const RedisCommand& command) {
    const auto reply = reader.next();
    if (!reply || !*reply) return RedisReply{};
    if (command.front() == "HGETALL" && command.back().ends_with(":meta")) {
      const auto fields = grants::read_fields("meta", **reply);
      if (fields) {
        const auto meta = grants::read_meta("meta", *fields);
        meta_was_good = meta_was_good || (meta && *meta);
      }
    }
    return **reply;
  };
  grants::RedisStore store(redis, &zone, {"default"});
  for (int i = 0; i < 2; ++i) {
    meta_was_good = false;
    const auto facts = loop.run(store.facts(principal, "tickets/ticket.read"));
    expect(facts.has_value(), "a question ends");
    if (!*facts) {
      const Reason reason = facts->error().reason;
      expect(reason == Reason::store_unavailable || reason == Reason::store_invalid ||
                 reason == Reason::store_uninitialised || reason == Reason::store_rolled_back,
             "a failure is the store's");
      continue;
    }
    expect(meta_was_good, "no facts from a store that doesn't say it is whole");
    policy::Route route;
    route.operation = "tickets/ticket.read";
    policy::Question question{.principal = *principal};
    question.route = &route;
    question.now = clock.now();
    const Decision decision = policy::evaluate(question, ***facts);
    if (!decision.allowed()) continue;
    expect((**facts)->agent != nullptr || (**facts)->tier != nullptr, "an agent that is allowed stands somewhere");
    expect(!(**facts)->token_revoked && !(**facts)->grants.empty() && !(**facts)->entitlements.empty(),
           "an allow has a grant and an entitlement");
  }
  static_cast<void>(loop.run(store.health()));
  return 0;
}
