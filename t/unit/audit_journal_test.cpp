// The journal and its sealer: whoever dies at any point, every event is written once, and whole.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "agw/audit/chain.h"
#include "agw/audit/sealer.h"
#include "agw/audit/verify.h"
#include "agw/audit/writer.h"
#include "agw/json/document.h"

#include "support/audit.h"

namespace agw::audit {
namespace {

const std::string root(32, 'r');

/// The id is a view: it outlives the event.
Event event_of(std::string_view id) {
  Event out;
  out.id = id;
  out.time = from_unix(1'800'000'000);
  out.type = "mcp.tools.call";
  out.decision = DecisionKind::allow;
  out.reason = Reason::allowed;
  out.operation = "tickets/ticket.read";
  out.method = "POST";
  out.path = "/mcp";
  return out;
}

struct Journal : testing::Test {
  /// One process that serves calls.
  struct Worker {
    explicit Worker(Journal& test, OnError on_error = OnError::deny)
        : memory(std::make_unique<test::MemoryJournal>(test.shared)),
          writer(std::make_unique<Writer>(Writer::Host{memory.get(), test.log, test.metrics, on_error})) {}
    void kill() const { memory->die(); }
    std::unique_ptr<test::MemoryJournal> memory;
    std::unique_ptr<Writer> writer;
  };
  /// One process that seals; its death leaves everything as it is.
  struct Helper {
    explicit Helper(Journal& test, Sync sync = Sync::none)
        : memory(test.shared), sealer({memory, test.file, test.clock, test.random, test.log, test.metrics, sync}) {}
    test::MemoryJournal memory;
    Sealer sealer;
  };

  Journal() { want(root); }
  void want(const std::string& key) {
    test::MemoryJournal master(shared);
    want_chain(master, key, random);
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (std::size_t at = file.text.find("\"id\":\""); at != std::string::npos;
         at = file.text.find("\"id\":\"", at + 1)) {
      const std::string id = file.text.substr(at + 6, file.text.find('"', at + 6) - at - 6);
      if (id.size() < 32) out.push_back(id);
    }
    return out;
  }
  std::vector<Finding> verify(bool whole = false, const std::string& key = root) const {
    std::vector<Secret> keys;
    keys.emplace_back(std::string(key));
    Verifier verifier(keys, {.unkeyed = key.empty(), .whole = whole});
    std::istringstream in(file.text);
    verifier.read("log", in);
    verifier.finish();
    for (const Finding& finding : verifier.findings())
      std::cerr << finding.file << ":" << finding.line << ": " << finding.what << "\n";
    return verifier.findings();
  }
  std::size_t count(std::string_view text) const {
    std::size_t found = 0;
    for (std::size_t at = file.text.find(text); at != std::string::npos; at = file.text.find(text, at + 1)) ++found;
    return found;
  }

  test::FakeClock clock;
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryMetrics metrics;
  test::SharedJournal shared;
  test::MemoryLog file;
};

TEST_F(Journal, events_are_written_in_the_order_in_which_they_end) {
  Worker worker(*this);
  Helper helper(*this);
  auto first = worker.writer->begin(event_of("a"));
  auto second = worker.writer->begin(event_of("b"));
  EXPECT_EQ(helper.sealer.pass(), 0U);
  second->finish({.outcome = Outcome::ok});
  first->finish({.outcome = Outcome::ok});
  EXPECT_EQ(helper.sealer.pass(), 2U);
  EXPECT_EQ(ids(), (std::vector<std::string>{"b", "a"}));
  EXPECT_TRUE(helper.sealer.close());
  EXPECT_TRUE(verify(true).empty());
  EXPECT_EQ(metrics.value("agent_audit_lines_total"), 4U);
}

TEST_F(Journal, a_record_that_is_dropped_ends_as_aborted) {
  Worker worker(*this);
  Helper helper(*this);
  {
    auto record = worker.writer->begin(event_of("a"));
  }
  helper.sealer.pass();
  EXPECT_EQ(count(R"("outcome":"aborted")"), 1U);
}

TEST_F(Journal, room_comes_back) {
  Worker worker(*this);
  Helper helper(*this);
  for (int i = 0; i < 500; ++i) {
    auto record = worker.writer->begin(event_of(std::to_string(i)));
    ASSERT_TRUE(record) << i;
    record->finish({.outcome = Outcome::ok});
    if (i % 20 == 19) helper.sealer.pass();
  }
  EXPECT_EQ(ids().size(), 500U);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_dead_worker_leaves_its_decisions_behind) {
  Helper helper(*this);
  Worker worker(*this);
  auto open = worker.writer->begin(event_of("open"));
  auto done = worker.writer->begin(event_of("done"));
  done->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_EQ(ids(), (std::vector<std::string>{"done"}));
  worker.kill();
  helper.sealer.pass();
  EXPECT_EQ(ids(), (std::vector<std::string>{"done", "open"}));
  EXPECT_EQ(count(R"("outcome":"unknown")"), 1U);
  EXPECT_EQ(metrics.value("agent_audit_recovered_total"), 1U);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_successor_takes_over_what_it_finds) {
  shared = test::SharedJournal(1);
  want(root);
  Worker worker(*this);
  auto open = worker.writer->begin(event_of("open"));
  worker.kill();
  Worker next(*this);
  auto record = next.writer->begin(event_of("next"));
  ASSERT_TRUE(record);
  Helper helper(*this);
  helper.sealer.pass();
  EXPECT_EQ(ids(), (std::vector<std::string>{"open"}));
  record->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_EQ(ids(), (std::vector<std::string>{"open", "next"}));
}

TEST_F(Journal, a_worker_without_a_segment_denies_until_there_is_one) {
  shared = test::SharedJournal(1);
  want(root);
  Worker worker(*this);
  Worker other(*this);
  auto denied = other.writer->begin(event_of("a"));
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error(), Reason::audit_unavailable);
  worker.kill();
  EXPECT_TRUE(other.writer->begin(event_of("b")));
}

TEST_F(Journal, a_full_journal_denies_until_there_is_room) {
  Worker worker(*this);
  Helper helper(*this);
  file.room = 100;
  int taken = 0;
  for (; taken < 1000; ++taken) {
    auto record = worker.writer->begin(event_of(std::to_string(taken)));
    if (!record) {
      EXPECT_EQ(record.error(), Reason::audit_unavailable);
      break;
    }
    record->finish({.outcome = Outcome::ok});
    helper.sealer.pass();
  }
  ASSERT_LT(taken, 1000);
  EXPECT_TRUE(log.contains("can't be written"));
  EXPECT_TRUE(log.contains("journal is full: calls are denied"));
  EXPECT_EQ(file.text, "");
  file.room = test::MemoryLog::no_limit;
  EXPECT_EQ(helper.sealer.pass(), static_cast<std::size_t>(taken));
  EXPECT_TRUE(worker.writer->begin(event_of("again")));
  EXPECT_TRUE(log.contains("has room again"));
  helper.sealer.pass();
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, calls_that_pass_without_an_event_are_counted_in_the_log) {
  Worker worker(*this, OnError::proceed);
  Helper helper(*this);
  file.room = 0;
  for (int i = 0; i < 100; ++i) {
    auto record = worker.writer->begin(event_of(std::to_string(i)));
    ASSERT_TRUE(record);
    record->finish({.outcome = Outcome::ok});
  }
  helper.sealer.pass();
  file.room = test::MemoryLog::no_limit;
  helper.sealer.pass();
  const std::size_t written = ids().size();
  EXPECT_LT(written, 100U);
  EXPECT_NE(file.text.find(std::to_string(100 - written) + " calls passed without an event"), std::string::npos);
  EXPECT_EQ(metrics.value("agent_audit_lost_total"), 100 - written);
  helper.sealer.pass();
  EXPECT_EQ(count("audit.lost"), 1U);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_large_event_goes_on_in_other_slots) {
  Worker worker(*this);
  Helper helper(*this);
  const std::string large(4000, 'x');
  for (int i = 0; i < 20; ++i) {
    const std::string id = std::to_string(i);
    Event event = event_of(id);
    event.path = event.user_agent = large;
    auto record = worker.writer->begin(event);
    ASSERT_TRUE(record) << i;
    record->finish({.outcome = Outcome::ok});
    helper.sealer.pass();
  }
  EXPECT_EQ(ids().size(), 20U);
  // One that has no room takes none of it.
  Event event = event_of("too large");
  event.path = event.user_agent = event.detail = event.resource = large;
  std::vector<Writer::Record> held;
  while (auto record = worker.writer->begin(event)) held.push_back(*std::move(record));
  EXPECT_TRUE(worker.writer->begin(event_of("small")));
  held.clear();
  helper.sealer.pass();
  EXPECT_TRUE(worker.writer->begin(event));
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_dead_workers_large_events_are_whole_or_nothing) {
  Helper helper(*this);
  const std::string large(4000, 'x');
  Worker worker(*this);
  Event event = event_of("large");
  event.path = event.user_agent = large;
  auto record = worker.writer->begin(event);
  worker.kill();
  helper.sealer.pass();
  EXPECT_EQ(ids(), (std::vector<std::string>{"large"}));
  EXPECT_EQ(metrics.value("agent_audit_damaged_total"), 0U);
  EXPECT_EQ(metrics.value("agent_audit_journal_used_slots"), 5U);
  helper.sealer.pass();
  EXPECT_EQ(metrics.value("agent_audit_journal_used_slots"), 0U);
}

/// A file in which the sealer dies: after so many bytes of its life, or just before it commits.
class DeadlyLog final : public LogFile {
 public:
  DeadlyLog(test::MemoryLog& file, test::SharedJournal& shared, std::size_t bytes)
      : file_(file), shared_(shared), left_(bytes) {}
  std::optional<State> begin() noexcept override { return file_.begin(); }
  void end() noexcept override {}
  std::size_t append(std::string_view bytes) noexcept override {
    if (dead) return 0;
    const std::size_t taken = std::min(left_, bytes.size());
    left_ -= taken;
    static_cast<void>(file_.append(bytes.substr(0, taken)));
    dead = left_ == 0;
    if (dead) memory_then = {shared_.control, shared_.memory};
    return taken;
  }
  std::string read(std::uint64_t identity, std::uint64_t offset, std::size_t size) override {
    return file_.read(identity, offset, size);
  }
  bool cut(std::uint64_t, std::uint64_t) noexcept override { return false; }
  bool sync() noexcept override { return true; }
  bool dead = false;
  /// What a successor finds: whatever is done after that moment was never done.
  std::pair<std::vector<std::uint64_t>, std::vector<std::vector<std::uint64_t>>> memory_then;

 private:
  test::MemoryLog& file_;
  test::SharedJournal& shared_;
  std::size_t left_;
};

TEST_F(Journal, a_sealer_that_dies_anywhere_writes_nothing_twice_and_nothing_half) {
  for (const bool rotates : {false, true}) {
    std::set<std::string> expected;
    for (std::size_t bytes = 1; bytes < 4000; bytes += 7) {
      shared = test::SharedJournal();
      file = test::MemoryLog();
      want(root);
      Worker worker(*this);
      expected.clear();
      for (int i = 0; i < 6; ++i) {
        auto record = worker.writer->begin(event_of(std::to_string(i)));
        record->finish({.outcome = Outcome::ok});
        expected.insert(std::to_string(i));
      }
      {
        DeadlyLog deadly(file, shared, bytes);
        test::MemoryJournal memory(shared);
        Sealer sealer({memory, deadly, clock, random, log, metrics, Sync::none});
        sealer.pass();
        if (deadly.dead) {
          shared.control = deadly.memory_then.first;
          for (std::size_t i = 0; i < shared.memory.size(); ++i) shared.memory[i] = deadly.memory_then.second[i];
        }
      }
      if (rotates) file.rotate();
      Helper next(*this);
      next.sealer.pass();
      next.sealer.pass();
      ASSERT_TRUE(next.sealer.close());
      file.text = file.whole();
      const auto found = ids();
      ASSERT_EQ(std::set<std::string>(found.begin(), found.end()), expected) << bytes;
      ASSERT_EQ(found.size(), expected.size()) << "twice, after " << bytes;
      ASSERT_TRUE(verify(true).empty()) << bytes << "\n" << file.text;
    }
  }
}

TEST_F(Journal, what_a_full_disk_tore_is_cut_off_or_completed) {
  for (const bool can_cut : {true, false}) {
    for (const bool regular : {true, false}) {
      shared = test::SharedJournal();
      file = test::MemoryLog();
      file.can_cut = can_cut;
      file.regular = regular;
      want(root);
      Worker worker(*this);
      Helper helper(*this);
      helper.sealer.pass();
      for (int i = 0; i < 6; ++i) worker.writer->begin(event_of(std::to_string(i)))->finish({.outcome = Outcome::ok});
      file.room = 700;
      helper.sealer.pass();
      helper.sealer.pass();
      EXPECT_LT(ids().size(), 6U);
      file.room = test::MemoryLog::no_limit;
      helper.sealer.pass();
      EXPECT_EQ(ids().size(), 6U) << can_cut << regular;
      EXPECT_TRUE(helper.sealer.close());
      EXPECT_TRUE(verify(true).empty()) << can_cut << regular << file.text;
    }
  }
}

TEST_F(Journal, half_a_line_of_somebody_elses_does_not_run_into_ours) {
  file.text = "{\"torn";
  Worker worker(*this);
  Helper helper(*this);
  worker.writer->begin(event_of("a"))->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_TRUE(file.text.starts_with("{\"torn\n{\"v\":1,")) << file.text;
  EXPECT_EQ(verify().size(), 1U);
}

TEST_F(Journal, one_seals_at_a_time) {
  Worker worker(*this);
  auto first = std::make_unique<Helper>(*this);
  Helper second(*this);
  first->sealer.pass();
  worker.writer->begin(event_of("a"))->finish({.outcome = Outcome::ok});
  EXPECT_EQ(second.sealer.pass(), 0U);
  first.reset();
  EXPECT_EQ(second.sealer.pass(), 1U);
  EXPECT_EQ(count("audit.open"), 1U);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_chain_goes_on_with_the_same_key_and_ends_with_another) {
  Worker worker(*this);
  Helper helper(*this);
  helper.sealer.pass();
  want(root);
  worker.writer->begin(event_of("a"))->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_EQ(count("audit.open"), 1U);
  want(std::string(32, 'n'));
  worker.writer->begin(event_of("b"))->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_EQ(count("audit.open"), 2U);
  EXPECT_EQ(count("audit.close"), 1U);
  EXPECT_FALSE(verify().empty());  // the new key isn't given
  std::vector<Secret> keys;
  keys.emplace_back(std::string(root));
  keys.emplace_back(std::string(32, 'n'));
  Verifier verifier(keys, {});
  std::istringstream in(file.text);
  verifier.read("log", in);
  verifier.finish();
  EXPECT_TRUE(verifier.findings().empty());
  EXPECT_EQ(verifier.chains(), 2U);
}

TEST_F(Journal, without_a_key_lines_are_numbered) {
  shared = test::SharedJournal();
  want("");
  Worker worker(*this);
  Helper helper(*this);
  worker.writer->begin(event_of("a"))->finish({.outcome = Outcome::ok});
  helper.sealer.pass();
  EXPECT_EQ(count("\"mac\""), 0U);
  EXPECT_EQ(count("\"seq\":2}"), 1U);
  EXPECT_TRUE(verify(false, "").empty());
}

TEST_F(Journal, a_used_key_is_nowhere_any_more) {
  Helper helper(*this);
  Worker worker(*this);
  helper.sealer.pass();
  const ChainKey used = [&] {
    const auto tail = parse_tail(std::string_view(file.text).substr(0, file.text.find('\n')));
    return first_key(root, tail->chain);
  }();
  const auto memory = std::as_bytes(std::span(shared.control));
  const auto bytes = std::as_bytes(std::span(used));
  EXPECT_EQ(std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()), memory.end());
}

TEST_F(Journal, fsync_comes_when_it_was_asked_for) {
  for (const Sync sync : {Sync::none, Sync::interval, Sync::always}) {
    shared = test::SharedJournal();
    file = test::MemoryLog();
    want(root);
    Worker worker(*this);
    Helper helper(*this, sync);
    for (int i = 0; i < 10; ++i) {
      worker.writer->begin(event_of(std::to_string(i)))->finish({.outcome = Outcome::ok});
      helper.sealer.pass();
      clock.advance(Milliseconds(200));
    }
    const int expected = sync == Sync::none ? 0 : sync == Sync::always ? 11 : 2;
    EXPECT_EQ(file.syncs, expected);
  }
}

TEST_F(Journal, what_waits_is_forced_to_the_disk_at_once) {
  constexpr int events = 300;
  shared = test::SharedJournal(1, 2U << 20);
  want(root);
  Worker worker(*this);
  Helper helper(*this, Sync::always);
  helper.sealer.pass();
  const int opening = file.syncs;
  for (int i = 0; i < events; ++i) worker.writer->begin(event_of(std::to_string(i)))->finish({.outcome = Outcome::ok});
  EXPECT_EQ(helper.sealer.pass(), events);
  EXPECT_EQ(file.syncs - opening, 1);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, a_sync_that_fails_keeps_the_events) {
  Worker worker(*this);
  Helper helper(*this, Sync::always);
  file.sync_fails = true;
  worker.writer->begin(event_of("a"))->finish({.outcome = Outcome::ok});
  EXPECT_EQ(helper.sealer.pass(), 0U);
  EXPECT_EQ(ids().size(), 0U);
  file.sync_fails = false;
  EXPECT_EQ(helper.sealer.pass(), 1U);
  EXPECT_TRUE(verify().empty());
}

TEST_F(Journal, garbage_makes_no_line) {
  std::uint64_t seed = 1;
  const auto next = [&seed] { return seed = seed * 6364136223846793005ULL + 1442695040888963407ULL; };
  for (int round = 0; round < 200; ++round) {
    shared = test::SharedJournal(2, 16U * 1024);
    file = test::MemoryLog();
    want(root);
    {
      Worker worker(*this);
      std::vector<Writer::Record> open;
      for (int i = 0; i < 4; ++i) {
        auto record = worker.writer->begin(event_of(std::to_string(i)));
        if (i % 2 == 0) record->finish({.outcome = Outcome::ok});
        open.push_back(*std::move(record));
      }
      worker.kill();
      for (auto& segment : shared.memory)
        for (int i = 0; i < 30; ++i) segment[next() % segment.size()] = round % 2 == 0 ? next() : next() % 64;
      Helper helper(*this);
      helper.sealer.pass();
      helper.sealer.pass();
    }
    Helper helper(*this);
    helper.sealer.pass();
    json::Document document;
    for (std::size_t at = 0; at < file.text.size();) {
      const std::size_t end = file.text.find('\n', at);
      ASSERT_TRUE(document.read(std::string_view(file.text).substr(at, end - at), {}).has_value());
      at = end + 1;
    }
    ASSERT_TRUE(helper.sealer.close());
    ASSERT_TRUE(verify(true).empty());
  }
}

int yields = 0;
void count_yield() noexcept { ++yields; }

TEST(JournalTurns, others_get_the_processor_between_batches_while_there_is_room) {
  test::SharedJournal shared(3, std::size_t{3} << 20);
  test::FakeClock clock;
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryMetrics metrics;
  test::MemoryLog file;
  test::MemoryJournal master(shared);
  want_chain(master, root, random);
  test::MemoryJournal memory(shared);
  Writer writer({&memory, log, metrics, OnError::deny});
  const auto write = [&](int events) {
    for (int i = 0; i < events; ++i) writer.begin(event_of("e"))->finish({.outcome = Outcome::ok});
  };
  test::MemoryJournal helper(shared);
  Sealer sealer({helper, file, clock, random, log, metrics, Sync::none, count_yield});
  yields = 0;
  write(60);
  EXPECT_EQ(sealer.pass(), 60U);
  EXPECT_EQ(yields, 0) << "one batch";
  write(150);
  EXPECT_EQ(sealer.pass(), 150U);
  EXPECT_EQ(yields, 2) << "not after the last one";
  yields = 0;
  write(200);
  EXPECT_EQ(sealer.pass(), 200U);
  EXPECT_EQ(yields, 0) << "the journal fills";
}

TEST(JournalTurns, the_sealer_tells_of_itself) {
  test::AuditLog audit;
  const auto told = [&] {
    status::Report report;
    audit.sealer.tell(report);
    return report.journal;
  };
  EXPECT_EQ(told().sealing, 0U);
  EXPECT_EQ(told().sealed, 0);
  auto open = audit.writer.begin(event_of("a"));
  audit.writer.begin(event_of("b"))->finish({.outcome = Outcome::ok});
  EXPECT_EQ(audit.lines().size(), 1U);
  EXPECT_EQ(told().sealing, 1U);
  EXPECT_EQ(told().segments, 3U);
  EXPECT_GT(told().slots, 1000U);
  EXPECT_EQ(told().used, 2U) << "as it was found";
  EXPECT_EQ(told().fullest, 2U);
  EXPECT_EQ(told().lines, 2U) << "and the chain's beginning";
  EXPECT_EQ(told().sealed, audit.clock.now().time_since_epoch().count());
  audit.file.room = 0;
  open->finish({.outcome = Outcome::ok});
  audit.sealer.pass();
  EXPECT_EQ(told().written, 0U);
  audit.file.room = test::MemoryLog::no_limit;
  audit.sealer.pass();
  EXPECT_EQ(told().written, 1U);
  EXPECT_EQ(told().lines, 3U);
}

}  // namespace
}  // namespace agw::audit
