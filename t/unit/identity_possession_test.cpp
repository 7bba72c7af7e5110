#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/identity/possession.h"
#include "agw/json/tree.h"

#include "identity/confirmation.h"
#include "support/fakes.h"
#include "support/heap_memory.h"
#include "support/memory_redis.h"
#include "support/proof_maker.h"

namespace agw::identity {
namespace {

constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins
constexpr std::string_view token = "the-token";

std::vector<Secret> key_file(char c) {
  std::vector<Secret> out;
  out.emplace_back(std::string(32, c));
  return out;
}

/// As much of a Redis as the script of proofs asks for.
class ProofRedis final : public Redis {
 public:
  explicit ProofRedis(const Clock& clock) : clock_(clock) {}
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    if (gone) co_return fail(RedisError::timeout);
    std::vector<RedisReply> out;
    for (const auto& command : commands) out.push_back(run(command));
    co_return out;
  }
  bool gone = false;
  std::map<std::string, std::int64_t> since;
  std::map<std::string, std::int64_t> proofs;  ///< when they end

 private:
  // EVALSHA digest 2 since proof made life
  RedisReply run(const RedisCommand& command) {
    const std::int64_t at = clock_.now().time_since_epoch().count();
    const std::int64_t born = since.try_emplace(command[3], at).first->second;
    if (command[2] == "1") return test::text_reply("begun");
    if (std::stoll(command[5]) < born) return test::text_reply("old");
    auto& end = proofs[command[4]];
    if (end > at) return test::text_reply("spent");
    end = at + std::stoll(command[6]);
    return test::text_reply("fresh");
  }
  const Clock& clock_;
};

struct World {
  World() {
    principal.tenant = "acme";
    principal.bound_key = maker.thumbprint;
    // The memory is older than the first proof.
    clock.advance(Milliseconds(5000));
  }
  Holding ask(Presented presented) {
    auto task = possession.check(principal, rules, std::move(presented));
    return *loop.run(task);
  }
  /// What the caller hears of a proof under the scheme DPoP.
  Reason reason(std::string_view proof) {
    const Holding holding = ask(with(proof));
    nonce = holding.nonce;
    return holding.refusal ? holding.refusal->reason : Reason::allowed;
  }
  static Presented with(std::string_view proof, TokenScheme scheme = TokenScheme::dpop) {
    Presented out;
    out.scheme = scheme;
    out.token = token;
    out.proof = {proof.empty() ? 0U : 1U, proof};
    out.method = "POST";
    out.uri = "https://gw.example/mcp";
    return out;
  }
  [[nodiscard]] std::string proof(std::string_view id, std::int64_t iat = now + 5, const std::string& more = {}) const {
    return maker.proof(token, iat, id, more);
  }
  static std::string with_nonce(const std::string& nonce) { return R"(,"nonce":")" + nonce + "\""; }

  test::ProofMaker maker;
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeRandom random;
  test::HeapMemory memory;
  ZoneProofs spent{memory, clock, "key"};
  SealKeys keys{key_file('k'), "agw dpop nonce"};
  Possession possession{{clock, random, spent, keys}};
  Principal principal;
  SenderRules rules;
  std::string nonce;
};

TEST(Possession, a_proof_is_good_once) {
  World w;
  const std::string proof = w.proof("a");
  EXPECT_EQ(w.reason(proof), Reason::allowed);
  EXPECT_EQ(w.reason(proof), Reason::proof_replayed);
  EXPECT_EQ(w.reason(w.proof("b")), Reason::allowed);
}

TEST(Possession, a_bound_token_needs_its_proof_and_its_scheme) {
  World w;
  const std::string proof = w.proof("a");
  const auto told = [&](Presented presented) { return w.ask(std::move(presented)).refusal->reason; };
  EXPECT_EQ(told(World::with("", TokenScheme::bearer)), Reason::proof_missing);
  EXPECT_EQ(told(World::with(proof, TokenScheme::bearer)), Reason::proof_missing);
  EXPECT_EQ(told(World::with("")), Reason::proof_missing);
  Presented twice = World::with(proof);
  twice.proof = {2, {}};
  EXPECT_EQ(told(std::move(twice)), Reason::proof_malformed);
  EXPECT_EQ(w.reason(proof), Reason::allowed);
}

TEST(Possession, an_unbound_token_is_a_bearer_token_unless_more_is_asked) {
  World w;
  w.principal.bound_key.clear();
  const auto told = [&](TokenScheme scheme) {
    const Holding holding = w.ask(World::with(w.proof("x"), scheme));
    return holding.refusal ? holding.refusal->reason : Reason::allowed;
  };
  EXPECT_EQ(told(TokenScheme::bearer), Reason::allowed);
  EXPECT_EQ(told(TokenScheme::dpop), Reason::token_unbound);
  for (const Holder holder : {Holder::of_key, Holder::of_certificate, Holder::of_either}) {
    w.rules.holder = holder;
    EXPECT_EQ(told(TokenScheme::bearer), Reason::token_unbound);
  }
}

TEST(Possession, a_certificate_holds_a_token) {
  World w;
  w.principal.bound_key.clear();
  w.principal.bound_certificate = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
  const auto told = [&](const ClientCertificate* certificate) {
    Presented presented = World::with("", TokenScheme::bearer);
    presented.certificate = certificate;
    const Holding holding = w.ask(std::move(presented));
    return holding.refusal ? holding.refusal->reason : Reason::allowed;
  };
  ClientCertificate own;
  own.thumbprint = w.principal.bound_certificate;
  ClientCertificate other;
  other.thumbprint = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";
  EXPECT_EQ(told(&own), Reason::allowed);
  EXPECT_EQ(told(nullptr), Reason::certificate_missing);
  EXPECT_EQ(told(&other), Reason::certificate_mismatch);
  w.rules.holder = Holder::of_certificate;
  EXPECT_EQ(told(&own), Reason::allowed);
  w.rules.holder = Holder::of_either;
  EXPECT_EQ(told(&own), Reason::allowed);
  w.rules.holder = Holder::of_key;
  EXPECT_EQ(told(&own), Reason::token_unbound);
}

TEST(Possession, a_token_that_is_bound_twice_needs_both) {
  World w;
  w.principal.bound_certificate = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
  ClientCertificate own;
  own.thumbprint = w.principal.bound_certificate;
  EXPECT_EQ(w.reason(w.proof("a")), Reason::certificate_missing);
  Presented both = World::with(w.proof("a"));
  const std::string proof = w.proof("a");
  both.proof.value = proof;
  both.certificate = &own;
  EXPECT_FALSE(w.ask(std::move(both)).refusal);
}

TEST(Possession, a_proof_is_young) {
  World w;
  EXPECT_EQ(w.reason(w.proof("ahead", now + 15)), Reason::allowed);
  EXPECT_EQ(w.reason(w.proof("too far ahead", now + 16)), Reason::proof_expired);
  w.clock.advance(Milliseconds(59'999));
  EXPECT_EQ(w.reason(w.proof("old")), Reason::allowed);
  w.clock.advance(Milliseconds(1));
  EXPECT_EQ(w.reason(w.proof("older")), Reason::proof_expired);
  // What was used is remembered to the last moment in which it would be good.
  EXPECT_EQ(w.reason(w.proof("ahead", now + 15)), Reason::proof_replayed);
}

TEST(Possession, a_proof_that_is_older_than_what_is_remembered_needs_a_nonce) {
  World w;
  EXPECT_EQ(w.reason(w.proof("a", now - 1)), Reason::proof_nonce_needed);
  ASSERT_FALSE(w.nonce.empty());
  EXPECT_EQ(w.reason(w.proof("a", now - 1, World::with_nonce(w.nonce))), Reason::allowed);
}

TEST(Possession, with_nonces_the_clients_clock_means_nothing) {
  World w;
  w.rules.proofs.nonce = true;
  EXPECT_EQ(w.reason(w.proof("a")), Reason::proof_nonce_needed);
  const std::string nonce = w.nonce;
  const std::string proof = w.proof("a", 1, World::with_nonce(nonce));
  EXPECT_EQ(w.reason(proof), Reason::allowed);
  EXPECT_TRUE(w.nonce.empty());
  EXPECT_EQ(w.reason(proof), Reason::proof_replayed);
  EXPECT_EQ(w.reason(w.proof("b", 1, World::with_nonce("made-up"))), Reason::proof_nonce_needed);
  // Another one comes in time, and the old one ends.
  w.clock.advance(w.rules.proofs.nonce_lifetime / 2);
  EXPECT_EQ(w.reason(w.proof("c", 1, World::with_nonce(nonce))), Reason::allowed);
  EXPECT_FALSE(w.nonce.empty());
  w.clock.advance(w.rules.proofs.nonce_lifetime / 2);
  EXPECT_EQ(w.reason(w.proof("d", 1, World::with_nonce(nonce))), Reason::proof_nonce_needed);
}

TEST(Possession, a_nonce_is_of_every_gateway_with_the_key_and_of_no_other) {
  World w;
  const Possession same{{w.clock, w.random, w.spent, w.keys}};
  const SealKeys others(key_file('o'), "agw dpop nonce");
  const SealKeys other_use(key_file('k'), "agw handed out");
  const std::string nonce = w.possession.make_nonce();
  EXPECT_EQ(same.read_nonce(nonce), w.clock.now());
  EXPECT_FALSE(Possession({w.clock, w.random, w.spent, others}).read_nonce(nonce));
  EXPECT_FALSE(Possession({w.clock, w.random, w.spent, other_use}).read_nonce(nonce));
  EXPECT_FALSE(w.possession.read_nonce(nonce + "A"));
  EXPECT_FALSE(w.possession.read_nonce(""));
}

Proven proven(int i, std::int64_t made = now + 5) {
  Proven out;
  out.tenant = "acme";
  out.id = sha256(std::to_string(i));
  out.made = from_unix(made);
  out.good_until = out.made + Milliseconds(60'000);
  return out;
}

TEST(ZoneProofs, a_full_memory_denies_and_forgets_nothing) {
  test::FakeClock clock;
  test::HeapMemory memory(64U << 10);
  ZoneProofs one(memory, clock, "key");
  ZoneProofs other(memory, clock, "key");  // another worker
  clock.advance(Milliseconds(5000));
  int fresh = 0;
  int full = 0;
  for (int i = 0; i < 2000; ++i) {
    const Spending spending = one.spend(proven(i)).take();
    fresh += spending == Spending::fresh ? 1 : 0;
    full += spending == Spending::no_room ? 1 : 0;
    if (spending == Spending::fresh) EXPECT_EQ(other.spend(proven(i)).take(), Spending::spent);
  }
  EXPECT_GT(fresh, 100);
  EXPECT_EQ(fresh + full, 2000);
  EXPECT_GT(full, 0);
  int known = 0;
  for (int i = 0; i < 2000; ++i) known += other.spend(proven(i)).take() == Spending::spent ? 1 : 0;
  EXPECT_EQ(known, fresh);
  clock.advance(Milliseconds(61'000));
  EXPECT_EQ(one.spend(proven(0, now + 66)).take(), Spending::fresh);
}

TEST(ZoneProofs, begins_with_the_first_worker) {
  test::FakeClock clock;
  test::HeapMemory memory;
  ZoneProofs proofs(memory, clock, "key");
  EXPECT_EQ(proofs.spend(proven(1, now - 1)).take(), Spending::too_old);
  EXPECT_EQ(proofs.spend(proven(1, now)).take(), Spending::fresh);
  test::HeapMemory none(16);
  EXPECT_EQ(ZoneProofs(none, clock, "key").spend(proven(1)).take(), Spending::no_room);
}

TEST(RedisProofs, are_shared_and_end_with_redis) {
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::FakeLog log;
  ProofRedis redis(clock);
  RedisProofs one(redis, log);
  RedisProofs other(redis, log);
  const auto spend = [&](RedisProofs& proofs, Proven proof) {
    auto task = [](RedisProofs& of, Proven what) -> Task<Spending> { co_return co_await of.spend(std::move(what)); }(
                                                     proofs, std::move(proof));
    return *loop.run(task);
  };
  loop.spawn(one.begin("acme"));
  loop.settle();
  EXPECT_EQ(spend(one, proven(1, now - 1)), Spending::too_old);
  EXPECT_EQ(spend(one, proven(1)), Spending::fresh);
  EXPECT_EQ(spend(other, proven(1)), Spending::spent);
  EXPECT_TRUE(redis.since.contains("agw:v:{acme}:once:proofs-since"));
  redis.gone = true;
  EXPECT_EQ(spend(one, proven(2)), Spending::unavailable);
  redis.gone = false;
  // An emptied store remembers nothing of what was made before.
  clock.advance(Milliseconds(10'000));
  redis.since.clear();
  redis.proofs.clear();
  EXPECT_EQ(spend(one, proven(1)), Spending::too_old);
}

TEST(Confirmation, takes_what_can_be_checked) {
  const std::string jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
  struct Case {
    std::string claims;
    Reason reason;
    bool bound;
  };
  const Case cases[] = {
      {"{}", Reason::allowed, false},
      {R"({"cnf":{"jkt":")" + jkt + R"("}})", Reason::allowed, true},
      {R"({"cnf":{"x5t#S256":")" + jkt + R"("}})", Reason::allowed, true},
      {R"({"cnf":{"jkt":")" + jkt + R"(","kid":"x"}})", Reason::allowed, true},
      {R"({"cnf":{"kid":"x"}})", Reason::token_binding_unsupported, false},
      {R"({"cnf":{}})", Reason::token_binding_unsupported, false},
      {R"({"cnf":null})", Reason::token_claim_invalid, false},
      {R"({"cnf":"x"})", Reason::token_claim_invalid, false},
      {R"({"cnf":{"jkt":"x"}})", Reason::token_claim_invalid, false},
      {R"({"cnf":{"jkt":7}})", Reason::token_claim_invalid, false},
      {R"({"cnf":{"x5t#S256":""}})", Reason::token_claim_invalid, false},
  };
  for (const Case& c : cases) {
    Principal principal;
    const json::Tree claims = json::read_tree(c.claims);
    const auto fault = read_confirmation(claims.get(), principal);
    EXPECT_EQ(fault ? fault->reason : Reason::allowed, c.reason) << c.claims;
    if (!fault) EXPECT_EQ(principal.is_bound(), c.bound) << c.claims;
  }
}

}  // namespace
}  // namespace agw::identity
