#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "agw/grants/file_store.h"

#include "support/fakes.h"

namespace agw::grants {
namespace {

class Listener final : public PolicyListener {
 public:
  void policy_loaded(const std::string&) noexcept override { ++loaded; }
  void policy_broken(const std::string&, const PolicyError&) noexcept override { ++broken; }
  int loaded = 0;
  int broken = 0;
};

struct FileStoreTest : testing::Test {
  FileStoreTest()
      : path(std::filesystem::temp_directory_path() / ("agw-policy-" + std::to_string(::getpid()) + ".json")),
        watch(path) {
    write("disabled");
    auto initial = load_policy_file(path);
    watch.edited = false;
    store.emplace(FileStore::Host{loop, background, watch, zone, clock, log, listener}, *initial);
    who->issuer = "company";
    who->tenant = "default";
    who->user = "company|mira";
    who->agent = "company|docs";
  }
  ~FileStoreTest() override { std::filesystem::remove(path); }

  void write(const std::string& status) {
    text(R"({"schema": 1, "tenants": {"default": {"users": {"company|mira": {"status": ")" + status + R"("}}}}})");
  }
  void text(const std::string& content) {
    std::ofstream(path) << content;
    watch.edited = true;
  }
  static bool disabled(const std::optional<Result<policy::FactsPtr, StoreFailure>>& answer) {
    return answer && answer->has_value() && (**answer)->user != nullptr && (**answer)->user->status == Status::disabled;
  }

  std::string path;
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeBackground background{loop};
  test::FakeWatch watch;
  test::MemoryZone zone{clock};
  test::FakeLog log;
  Listener listener;
  std::optional<FileStore> store;
  std::shared_ptr<Principal> who = std::make_shared<Principal>();
};

TEST_F(FileStoreTest, without_an_edit_it_is_a_plain_call) {
  watch.edited = false;
  auto step = store->facts(who, "a/b");
  EXPECT_TRUE(step.ready());
  EXPECT_TRUE(disabled(step.take()));
  EXPECT_EQ(background.jobs, 0);
}

TEST_F(FileStoreTest, an_edit_before_it_began_to_watch_is_read_unasked) {
  auto initial = load_policy_file(path);
  write("active");
  store.emplace(FileStore::Host{loop, background, watch, zone, clock, log, listener}, *initial);
  loop.settle();
  EXPECT_EQ(listener.loaded, 1);
  auto step = store->facts(who, "");
  EXPECT_TRUE(step.ready());
  EXPECT_FALSE(disabled(step.take()));
}

TEST_F(FileStoreTest, an_edit_holds_for_the_next_call) {
  watch.edited = false;
  EXPECT_TRUE(disabled(loop.run(store->facts(who, ""))));
  for (const char* status : {"active", "disabled", "active"}) {
    write(status);
    EXPECT_EQ(disabled(loop.run(store->facts(who, ""))), std::string_view(status) == "disabled");
  }
  EXPECT_EQ(listener.loaded, 3);
  EXPECT_EQ(listener.broken, 0);
}

TEST_F(FileStoreTest, facts_outlive_the_policy_they_come_from) {
  watch.edited = false;
  auto before = loop.run(store->facts(who, ""));
  write("active");
  EXPECT_FALSE(disabled(loop.run(store->facts(who, ""))));
  EXPECT_TRUE(disabled(before));
}

TEST_F(FileStoreTest, calls_that_arrive_while_it_compiles_wait_for_one_compilation) {
  background.delay = Milliseconds(50);
  write("active");
  auto first = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(first));
  auto second = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(second));
  loop.advance(Milliseconds(50));
  ASSERT_TRUE(first.done() && second.done());
  EXPECT_FALSE(disabled(first.take()));
  EXPECT_FALSE(disabled(second.take()));
  EXPECT_EQ(background.jobs, 1);
}

TEST_F(FileStoreTest, an_edit_during_a_compilation_is_seen_by_calls_that_came_after_it) {
  background.delay = Milliseconds(50);
  write("active");
  auto first = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(first));
  write("disabled");
  auto second = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(second));
  loop.advance(Milliseconds(200));
  ASSERT_TRUE(second.done());
  EXPECT_TRUE(disabled(second.take()));
  EXPECT_EQ(background.jobs, 2);
}

TEST_F(FileStoreTest, a_client_that_leaves_disturbs_nobody) {
  background.delay = Milliseconds(50);
  write("active");
  auto first = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(first));
  auto second = test::FakeLoop::await_step(store->facts(who, ""));
  EXPECT_FALSE(loop.run(second));
  first.reset();
  loop.advance(Milliseconds(50));
  ASSERT_TRUE(second.done());
  EXPECT_FALSE(disabled(second.take()));
}

TEST_F(FileStoreTest, a_broken_edit_keeps_the_last_good_policy_and_is_heard_of_once) {
  for (const char* broken : {"{", "", R"({"schema": 9})"}) {
    text(broken);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(disabled(loop.run(store->facts(who, ""))));
  }
  EXPECT_EQ(listener.broken, 3);
  EXPECT_TRUE(log.contains("the last good policy stays in force"));
  auto health = loop.run(store->health());
  ASSERT_TRUE(health);
  EXPECT_TRUE(health->usable);
  EXPECT_NE(health->detail.find("broken"), std::string::npos);
  write("active");
  EXPECT_FALSE(disabled(loop.run(store->facts(who, ""))));
  EXPECT_EQ(loop.run(store->health())->detail, "");
}

TEST_F(FileStoreTest, an_announced_edit_is_read_before_anybody_asks) {
  watch.edited = false;
  write("active");
  watch.announce();
  watch.announce();
  loop.settle();
  EXPECT_EQ(listener.loaded, 1);
  text("{");
  watch.announce();
  loop.settle();
  EXPECT_FALSE(disabled(loop.run(store->facts(who, "")))) << "the good edit before the broken one is in force";
}

TEST_F(FileStoreTest, a_worker_that_missed_the_last_good_edit_denies) {
  test::FakeWatch other_watch(path);
  auto initial = load_policy_file(path);
  FileStore other(FileStore::Host{loop, background, other_watch, zone, clock, log, listener}, *initial);
  EXPECT_TRUE(disabled(loop.run(other.facts(who, ""))));

  write("active");
  EXPECT_FALSE(disabled(loop.run(store->facts(who, ""))));
  text("{");
  other_watch.edited = true;
  const auto answer = loop.run(other.facts(who, ""));
  ASSERT_TRUE(answer && !answer->has_value());
  EXPECT_EQ(answer->error().reason, Reason::store_unavailable);
  EXPECT_FALSE(loop.run(other.health())->usable);
  EXPECT_FALSE(disabled(loop.run(store->facts(who, "")))) << "who has read it goes on";

  write("disabled");
  other_watch.edited = true;
  EXPECT_TRUE(disabled(loop.run(other.facts(who, ""))));
  EXPECT_TRUE(loop.run(other.health())->usable);
}

TEST_F(FileStoreTest, a_file_that_is_taken_away_keeps_the_last_good_policy) {
  std::filesystem::remove(path);
  watch.edited = true;
  EXPECT_TRUE(disabled(loop.run(store->facts(who, ""))));
  EXPECT_EQ(listener.broken, 1);
}

TEST_F(FileStoreTest, without_any_policy_it_is_unavailable) {
  FileStore empty(FileStore::Host{loop, background, watch, zone, clock, log, listener}, nullptr);
  watch.edited = false;
  const auto answer = loop.run(empty.facts(who, ""));
  ASSERT_TRUE(answer && !answer->has_value());
  EXPECT_EQ(answer->error().reason, Reason::store_unavailable);
  EXPECT_FALSE(loop.run(empty.health())->usable);
}

TEST_F(FileStoreTest, it_tells_of_itself) {
  loop.settle();
  watch.edited = false;
  const auto told = [&] {
    status::Report report;
    store->tell(report);
    return report.store;
  };
  const auto before = told();
  EXPECT_EQ(before.kind, status::StoreKind::file);
  EXPECT_EQ(before.usable, 1U);
  EXPECT_EQ(before.broken.view(), "");
  EXPECT_EQ(before.read, clock.now().time_since_epoch().count());
  clock.advance(Milliseconds(5000));
  text("{");
  static_cast<void>(loop.run(store->facts(who, "")));
  EXPECT_EQ(told().broken.view().substr(0, 7), "line 1:");
  EXPECT_EQ(told().digest.view(), before.digest.view());
  EXPECT_EQ(told().read, before.read);
  write("active");
  static_cast<void>(loop.run(store->facts(who, "")));
  EXPECT_EQ(told().broken.view(), "");
  EXPECT_NE(told().digest.view(), before.digest.view());
  EXPECT_EQ(told().read, before.read + 5000);
}

}  // namespace
}  // namespace agw::grants
