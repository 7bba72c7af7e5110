// Keys, sealed answers, and the ledger of calls that run once.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/idempotency/ledger.h"
#include "agw/json/canonical.h"
#include "agw/mcp/response.h"

#include "support/fakes.h"
#include "support/ledger_redis.h"

namespace agw::idempotency {
namespace {

using test::FakeClock;
using test::FakeHeaders;
using test::FakeLog;
using test::FakeLoop;
using test::FakeRandom;
using test::LedgerRedis;

std::vector<Secret> files(const std::vector<char>& letters) {
  std::vector<Secret> out;
  for (const char letter : letters) out.emplace_back(std::string(32, letter));
  return out;
}

struct HeaderCase {
  const char* name;
  std::vector<std::string> sent;
  std::string key;  // empty: refused
  Reason reason = Reason::idempotency_key_invalid;
};

class HeaderKey : public testing::TestWithParam<HeaderCase> {};

TEST_P(HeaderKey, is_read) {
  FakeHeaders headers;
  for (const auto& value : GetParam().sent) headers.add("Idempotency-Key", value);
  const auto found = key_of_header(headers, "idempotency-key");
  if (GetParam().key.empty()) {
    ASSERT_FALSE(found) << *found;
    EXPECT_EQ(found.error(), GetParam().reason);
  } else {
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, GetParam().key);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Idempotency, HeaderKey,
    testing::Values(HeaderCase{"a string", {"\"k-1\""}, "k-1"}, HeaderCase{"bare", {"k-1"}, "k-1"},
                    HeaderCase{"escapes", {R"("a\"b\\c d")"}, R"(a"b\c d)"},
                    HeaderCase{"the longest", {std::string(255, 'k')}, std::string(255, 'k')},
                    HeaderCase{"none", {}, "", Reason::idempotency_key_missing}, HeaderCase{"empty", {""}, ""},
                    HeaderCase{"an empty string", {"\"\""}, ""}, HeaderCase{"one quote", {"\""}, ""},
                    HeaderCase{"no end", {"\"k"}, ""}, HeaderCase{"another escape", {R"("a\n")"}, ""},
                    HeaderCase{"an escape at the end", {R"("a\")"}, ""}, HeaderCase{"a quote inside", {R"("a"b")"}, ""},
                    HeaderCase{"parameters", {R"("a";b)"}, ""}, HeaderCase{"two words", {"a b"}, ""},
                    HeaderCase{"not ASCII", {"\"k\xC3\xA9\""}, ""}, HeaderCase{"a list", {"a,b"}, ""},
                    HeaderCase{"too long", {std::string(256, 'k')}, ""}, HeaderCase{"twice", {"a", "a"}, ""}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::ranges::replace(name, ' ', '_');
      return name;
    });

TEST(IdempotencyKeys, names_differ_with_every_part_and_every_key) {
  const Keys keys(files({'a', 'b'}));
  const std::string subject = subject_of("t", "company|mira", "company|docs", "a/b", "k");
  std::vector<std::string> names{keys.name(0, subject), keys.name(1, subject)};
  for (const auto& other : {subject_of("u", "company|mira", "company|docs", "a/b", "k"),
                            subject_of("t", "other|mira", "company|docs", "a/b", "k"),
                            subject_of("t", "company|mira", "company|doc", "sa/b", "k"),
                            subject_of("t", "company|mira", "company|docs", "a/c", "k"),
                            subject_of("t", "company|mira", "company|docs", "a/b", "l")})
    names.push_back(keys.name(0, other));
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
  EXPECT_EQ(Keys(files({'b'})).name(0, subject), keys.name(1, subject));
  EXPECT_NE(keys.arguments(0, subject, sha256("a")), keys.arguments(0, subject, sha256("b")));
  EXPECT_NE(keys.arguments(0, subject, sha256("a")), keys.arguments(0, "other", sha256("a")));
}

TEST(IdempotencyKeys, what_is_sealed_is_opened_by_whoever_has_the_key_and_nobody_else) {
  FakeRandom random;
  const Keys old(files({'a'}));
  const Keys both(files({'b', 'a'}));
  const Keys late(files({'b'}));
  const std::string sealed = old.seal("an answer", "bound", random);
  EXPECT_EQ(sealed.find("answer"), std::string::npos);
  EXPECT_EQ(old.open(sealed, "bound"), "an answer");
  EXPECT_EQ(both.open(sealed, "bound"), "an answer");
  EXPECT_EQ(late.open(sealed, "bound"), std::nullopt);
  EXPECT_EQ(old.open(sealed, "other"), std::nullopt);
  const std::string now = both.seal("an answer", "bound", random);
  EXPECT_EQ(late.open(now, "bound"), "an answer");
  EXPECT_EQ(old.open(now, "bound"), std::nullopt);
  EXPECT_NE(both.seal("an answer", "bound", random), now) << "no nonce is used twice";
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string wrong = sealed;
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    EXPECT_EQ(old.open(wrong, "bound"), std::nullopt) << i;
    EXPECT_EQ(old.open(sealed.substr(0, i), "bound"), std::nullopt) << i;
  }
  EXPECT_EQ(old.open(old.seal("", "bound", random), "bound"), "");
}

TEST(IdempotencyAnswer, is_read_as_it_was_written) {
  KeptAnswer answer;
  answer.status = 201;
  answer.content_type = "application/json";
  answer.location = "/made/1";
  answer.body = R"({"id":,"result":"a\nb"})" + std::string("\n1 2 3");
  const auto plain = read_answer(write_answer(answer));
  ASSERT_TRUE(plain);
  EXPECT_EQ(body_for(*plain, "7"), answer.body);
  answer.has_id = true;
  answer.id_at = 6;
  const auto again = read_answer(write_answer(answer));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 201);
  EXPECT_EQ(again->content_type, answer.content_type);
  EXPECT_EQ(again->location, answer.location);
  EXPECT_TRUE(body_for(*again, "\"two\"").starts_with(R"({"id":"two","result")"));
}

TEST(IdempotencyAnswer, anything_else_is_none) {
  for (const char* text :
       {"", "\n", "1 200 - 0 0 0", "2 200 - 0 0 0\n", "1 200 - 0 0 1\n", "1 200 - 0 0 0\nx", "1 99 - 0 0 0\n",
        "1 600 - 0 0 0\n", "1 200 1 0 0 0\n", "1 200 x 0 0 0\n", "1 200 - 01 0 0\nx", "1 200 - -1 0 0\n",
        "1 200 - 0 0\n", "1 200 - 0 0 0 0\n", "1  200 - 0 0 0\n", "1 200 - 99999999999999999999 0 0\n"})
    EXPECT_FALSE(read_answer(text)) << text;
  EXPECT_TRUE(read_answer("1 200 - 0 0 0\n"));
  EXPECT_TRUE(read_answer("1 200 1 0 0 1\nx"));
}

std::string canonical(std::string_view text) {
  json::Document document;
  const auto root = document.read(text, {});
  std::string out;
  if (root) json::append_canonical(out, *root);
  return out;
}

TEST(Canonical, one_text_for_every_way_of_writing) {
  EXPECT_EQ(canonical(R"( {"b" : [1, {"d":null,"c":true}], "a":"\u00e9\/\n"} )"),
            R"({"a":"é/\n","b":[1,{"c":true,"d":null}]})");
  EXPECT_EQ(canonical(R"({"a":"é/\u000a","b":[1,{"c":true,"d":null}]})"),
            canonical(R"({"b":[1,{"d":null,"c":true}],"a":"\u00e9\/\n"})"));
  for (const auto& [one, other] : {std::pair("1", "1.0"),
                                   {"9007199254740992", "9007199254740993"},
                                   {"[]", "{}"},
                                   {"\"1\"", "1"},
                                   {R"(["a","b"])", R"(["a,b"])"},
                                   {R"(["a"])", R"("a")"}})
    EXPECT_NE(canonical("[" + std::string(one) + "]"), canonical("[" + std::string(other) + "]"));
}

TEST(SoleResponse, is_found_in_a_body_or_a_stream) {
  json::Document document;
  const auto found = [&](std::string_view type, std::string_view body) {
    return mcp::sole_response(document, type, body, {});
  };
  const std::string response = R"({"jsonrpc":"2.0","id":"a","result":{"id":7}})";
  const auto plain = found("application/json; charset=utf-8", response);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->message.substr(plain->id_at, plain->id_size), "\"a\"");
  const std::string progress = R"({"jsonrpc":"2.0","method":"notifications/progress","params":{}})";
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    std::string stream = ": hello" + end + end + "data:" + end + end;
    stream += "event: message" + end + "data: " + progress + end + end;
    stream += "id: 1" + end + "data:" + response.substr(0, 16) + end + "data:" + response.substr(16) + end + end;
    const auto streamed = found("text/event-stream", stream);
    ASSERT_TRUE(streamed) << stream;
    EXPECT_EQ(streamed->message.substr(streamed->id_at, streamed->id_size), "\"a\"");
    EXPECT_FALSE(found("text/event-stream", stream + "data: " + response + end + end)) << "two of them";
    EXPECT_FALSE(found("text/event-stream", stream + "data: {" + end + end)) << "no JSON";
    EXPECT_FALSE(found("text/event-stream", stream.substr(0, stream.size() - end.size()))) << "not ended";
  }
  EXPECT_FALSE(found("text/plain", response));
  EXPECT_FALSE(found("application/json", "[" + response + "]"));
  EXPECT_FALSE(found("application/json", progress));
  EXPECT_FALSE(found("application/json", R"({"jsonrpc":"2.0","id":1})"));
  EXPECT_TRUE(found("application/json", R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}})"));
}

/// One Redis, and two nodes that share it.
struct World {
  FakeClock clock;
  FakeLoop loop{clock};
  FakeRandom random;
  FakeLog log;
  LedgerRedis redis{loop, clock};
  Rule rule = [] {
    Rule out;
    out.header = "idempotency-key";
    out.wait = Milliseconds(0);
    return out;
  }();
  std::optional<Ledger> one{std::in_place, Ledger::Host{loop, random, redis, log}, Keys(files({'a'}))};
  std::optional<Ledger> two{std::in_place, Ledger::Host{loop, random, redis, log}, Keys(files({'a'}))};

  ~World() { loop.cancel_spawned(); }

  Ask ask(const std::string& key = "k", const std::string& arguments = "{}") {
    return {"default", subject_of("default", "company|mira", "company|docs", "a/b", key), sha256(arguments), &rule};
  }
  Outcome commit(Ledger& ledger, Ask what) {
    auto task = ledger.commit(std::move(what));
    for (int i = 0; i < 1000; ++i) {
      if (auto out = loop.run(task)) return std::move(*out);
      loop.advance(Milliseconds(10));
    }
    ADD_FAILURE() << "it never ended";
    return {};
  }
  Outcome commit(const std::string& key = "k", const std::string& arguments = "{}") {
    return commit(*two, ask(key, arguments));
  }
  std::shared_ptr<Claim> claimed(const std::string& key = "k") {
    auto out = commit(*one, ask(key));
    EXPECT_FALSE(out.refusal);
    EXPECT_NE(out.claim, nullptr);
    return out.claim;
  }
  void settle() { loop.advance(Milliseconds(100)); }
};

KeptAnswer answer_of(std::string body) {
  KeptAnswer out;
  out.content_type = "application/json";
  out.body = std::move(body);
  return out;
}

TEST(Ledger, one_call_runs_and_all_others_get_its_answer) {
  World world;
  auto claim = world.claimed();
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_in_flight);
  EXPECT_EQ(world.commit("k", "[]").refusal, Reason::idempotency_mismatch);
  EXPECT_NE(world.commit("other").claim, nullptr);
  claim->sent();
  claim->keep(answer_of("done"));
  claim = nullptr;
  world.settle();
  const auto repeat = world.commit();
  EXPECT_FALSE(repeat.refusal);
  EXPECT_EQ(repeat.claim, nullptr);
  ASSERT_TRUE(repeat.answer);
  EXPECT_EQ(repeat.answer->body, "done");
  EXPECT_EQ(world.commit("k", "[]").refusal, Reason::idempotency_mismatch);
}

TEST(Ledger, what_was_never_sent_is_given_back) {
  World world;
  world.claimed();
  world.settle();
  auto claim = world.claimed();
  claim->sent();
  claim->not_carried_out();
  claim = nullptr;
  world.settle();
  EXPECT_TRUE(world.redis.records.empty());
  EXPECT_NE(world.commit().claim, nullptr);
}

TEST(Ledger, what_may_have_been_carried_out_never_runs_again) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  claim = nullptr;
  world.settle();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.commit().refusal, Reason::idempotency_unknown);
  EXPECT_EQ(world.commit("k", "[]").refusal, Reason::idempotency_mismatch);
}

TEST(Ledger, an_answer_that_was_not_kept_is_no_reason_to_run_again) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  claim->keep_nothing();
  claim = nullptr;
  world.settle();
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_unrecorded);
}

TEST(Ledger, a_claim_lives_as_long_as_its_worker) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  world.loop.advance(Ledger::lease * 3);
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_in_flight) << "the worker renews it";
  world.loop.cancel_spawned();  // what a dead worker doesn't do any more
  world.clock.advance(Ledger::lease + Milliseconds(1));
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_unknown);
  EXPECT_EQ(world.redis.ttls.begin()->second, std::chrono::milliseconds(std::chrono::hours(24)).count());
}

TEST(Ledger, who_waits_gets_the_answer_and_not_for_longer_than_it_may) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  world.rule.wait = Milliseconds(1000);
  const auto before = world.clock.steady();
  const auto early = world.commit();
  EXPECT_EQ(early.refusal, Reason::idempotency_in_flight);
  EXPECT_TRUE(early.waited);
  EXPECT_GE((world.clock.steady() - before).count(), 1000);
  EXPECT_LT((world.clock.steady() - before).count(), 2000);

  auto waiting = world.two->commit(world.ask());
  EXPECT_FALSE(world.loop.run(waiting));
  world.loop.advance(Milliseconds(100));
  claim->keep(answer_of("done"));
  world.loop.advance(Milliseconds(900));
  const auto late = world.loop.run(waiting);
  ASSERT_TRUE(late && late->answer);
  EXPECT_TRUE(late->waited);
  EXPECT_EQ(late->answer->body, "done");
}

TEST(Ledger, an_answer_of_redis_that_gets_lost_leaves_no_claim) {
  World world;
  static_cast<void>(world.commit("another"));  // Redis knows the script
  world.settle();
  world.redis.answers_get_lost = true;
  const auto outcome = world.commit();
  EXPECT_EQ(outcome.refusal, Reason::idempotency_unavailable);
  EXPECT_EQ(outcome.detail, "timed out");
  EXPECT_EQ(outcome.claim, nullptr);
  ASSERT_EQ(world.redis.count("claim"), 2U) << "it was run all the same";
  world.redis.answers_get_lost = false;
  world.loop.advance(Milliseconds(2000));
  EXPECT_TRUE(world.redis.records.empty());
  EXPECT_NE(world.commit().claim, nullptr);
}

TEST(Ledger, a_client_that_leaves_while_redis_is_asked_holds_nothing) {
  World world;
  {
    auto left = world.one->commit(world.ask());
    EXPECT_FALSE(world.loop.run(left));
  }
  world.settle();
  EXPECT_EQ(world.redis.count("claim"), 1U);
  EXPECT_TRUE(world.redis.records.empty());
}

TEST(Ledger, redis_is_told_of_an_answer_as_soon_as_it_listens) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  world.redis.gone = true;
  claim->keep(answer_of("done"));
  claim = nullptr;
  world.loop.advance(Milliseconds(5000));
  world.redis.gone = false;
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_in_flight);
  world.loop.advance(Milliseconds(5000));
  ASSERT_TRUE(world.commit().answer);
}

TEST(Ledger, an_answer_that_redis_never_heard_of_is_unknown) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  world.redis.gone = true;
  claim->keep(answer_of("done"));
  claim = nullptr;
  world.loop.advance(Milliseconds(60'000));
  EXPECT_TRUE(world.log.contains("timed out"));
  world.redis.gone = false;
  world.loop.advance(Milliseconds(60'000));
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_unknown);
}

TEST(Ledger, odd_answers_of_redis_are_none) {
  for (const auto& reply : {test::text_reply("claimed"), test::array_reply({}),
                            test::array_reply({test::text_reply("yes")}), test::array_reply({test::text_reply("done")}),
                            test::integer_reply(1), test::error_reply("OOM x"), RedisReply{}}) {
    World world;
    world.redis.odd = reply;
    const auto outcome = world.commit();
    EXPECT_EQ(outcome.refusal, Reason::idempotency_unavailable);
    EXPECT_FALSE(outcome.detail.empty());
    world.redis.odd.reset();
    world.loop.advance(Milliseconds(5000));
    EXPECT_NE(world.commit().claim, nullptr);
  }
}

TEST(Ledger, a_record_of_a_wrong_type_is_said_once_until_it_changes) {
  World world;
  world.claimed();
  const std::string name = world.redis.records.begin()->first;
  world.settle();
  const auto denied = [&] {
    for (int i = 0; i < 3; ++i) {
      const auto outcome = world.commit();
      EXPECT_EQ(outcome.refusal, Reason::idempotency_unreadable);
      EXPECT_EQ(outcome.detail, "") << "it isn't said again with the call";
      world.loop.advance(Milliseconds(60'000));
    }
  };
  world.redis.mistyped[name] = "list";
  denied();
  EXPECT_EQ(world.log.lines.size(), 1U);
  EXPECT_TRUE(world.log.contains("key " + name + ": is not a hash"));
  EXPECT_NE(world.commit("l").claim, nullptr) << "that call only";
  world.redis.mistyped.clear();
  EXPECT_NE(world.commit().claim, nullptr);
  world.settle();
  world.redis.mistyped[name] = "list";
  denied();
  EXPECT_EQ(world.log.lines.size(), 2U);
}

TEST(Ledger, a_record_that_becomes_another_type_under_a_call_is_left_alone) {
  World world;
  auto claim = world.claimed();
  claim->sent();
  world.redis.mistyped[world.redis.records.begin()->first] = "string";
  claim->keep(answer_of("done"));
  claim = nullptr;
  world.loop.advance(Milliseconds(60'000));
  EXPECT_EQ(world.redis.count("settle"), 1U) << "trying again changes nothing";
  EXPECT_EQ(world.log.lines.size(), 1U);
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_unreadable);
}

TEST(Ledger, nodes_that_have_one_key_in_common_know_each_others_calls) {
  World world;
  world.one.emplace(Ledger::Host{world.loop, world.random, world.redis, world.log}, Keys(files({'b', 'a'})));
  auto claim = world.claimed();
  EXPECT_EQ(world.redis.records.size(), 2U);
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_in_flight);
  claim->sent();
  claim->keep(answer_of("done"));
  claim = nullptr;
  world.settle();
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_unreadable) << "sealed with a key that it hasn't yet";
  Ledger late({world.loop, world.random, world.redis, world.log}, Keys(files({'b'})));
  EXPECT_TRUE(world.commit(late, world.ask()).answer);

  // The other way round: a node with the old key alone claims, one with both finds it.
  auto old = world.commit(*world.two, world.ask("k-2"));
  ASSERT_NE(old.claim, nullptr);
  EXPECT_EQ(world.commit(*world.one, world.ask("k-2")).refusal, Reason::idempotency_in_flight);
}

TEST(Ledger, a_record_is_for_one_call_only) {
  World world;
  for (const char* key : {"k", "l"}) {
    auto claim = world.claimed(key);
    claim->sent();
    claim->keep(answer_of(key));
  }
  world.settle();
  ASSERT_EQ(world.redis.records.size(), 2U);
  std::swap(world.redis.records.begin()->second["r"], std::next(world.redis.records.begin())->second["r"]);
  EXPECT_EQ(world.commit("k").refusal, Reason::idempotency_unreadable);
  EXPECT_EQ(world.commit("l").refusal, Reason::idempotency_unreadable);
}

TEST(Ledger, no_more_than_so_many_wait) {
  World world;
  auto claim = world.claimed();
  world.rule.wait = Milliseconds(60'000);
  std::vector<Task<Outcome>> waiting;
  for (std::size_t i = 0; i < Ledger::most_waiting; ++i) {
    waiting.push_back(world.two->commit(world.ask()));
    waiting.back().start();
  }
  world.loop.advance(Milliseconds(2));
  EXPECT_EQ(world.commit().refusal, Reason::idempotency_in_flight);
}

}  // namespace
}  // namespace agw::idempotency
