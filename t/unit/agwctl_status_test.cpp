// agwctl status: what it says of processes that tell of themselves, and of those that don't any more.
#include <functional>
#include <limits>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/json/document.h"

#include "agwctl/failure.h"
#include "agwctl/status_view.h"

namespace agw::agwctl {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Said {
  int status = 0;
  std::string text;
  std::string json;
};

/// An nginx with two workers and a sealer, all well.
struct World {
  World() {
    reading.boot_now = 1'000'000;
    reading.now = WallTime(Milliseconds(1'800'000'000'000));
    for (std::uint32_t i = 0; i < 2; ++i) {
      Told& told = add(status::Kind::worker, i, 100 + static_cast<std::int32_t>(i));
      told.report.store.kind = status::StoreKind::push;
      told.report.store.hears = 1;
      told.report.store.connected = 1;
      told.report.store.usable = 1;
      told.report.store.heartbeat = 120;
      told.report.store.hits = 41 + i;
      told.report.tenants = 1;
      told.report.tenant[0].name.set("acme");
      told.report.tenant[0].incarnation.set("5f3a");
      told.report.tenant[0].version = 12;
      told.report.issuers = 1;
      told.report.issuer[0].name.set("company");
      told.report.issuer[0].usable = 1;
      told.report.issuer[0].fetched = 1'800'000'000'000 - 30'000;
    }
    Told& sealer = add(status::Kind::sealer, 0, 200);
    sealer.report.journal.sealing = 1;
    sealer.report.journal.segments = 3;
    sealer.report.journal.slots = 1200;
  }
  Told& add(status::Kind kind, std::uint32_t number, std::int32_t pid, std::uint64_t generation = 1) {
    Told told;
    auto& process = told.report.process;
    process.kind = kind;
    process.number = number;
    process.pid = pid;
    process.master = 99;
    process.generation = generation;
    process.workers = 2;
    process.audited = 1;
    told.report.told = reading.boot_now - 100;
    reading.processes.push_back(told);
    return reading.processes.back();
  }
  Told& worker(std::size_t i) { return reading.processes[i]; }
  Told& sealer() { return reading.processes[2]; }

  [[nodiscard]] Said say() const {
    Said out;
    std::ostringstream text;
    std::ostringstream json;
    out.status = print_status(reading, "/state", false, text);
    EXPECT_EQ(print_status(reading, "/state", true, json), out.status);
    out.text = text.str();
    out.json = json.str();
    json::Document document;
    EXPECT_TRUE(document.read(out.json.substr(0, out.json.size() - 1), {}).has_value()) << out.json;
    return out;
  }

  Reading reading;
};

TEST(AgwctlStatus, all_is_well) {
  const Said said = World().say();
  EXPECT_EQ(said.status, exit_ok);
  EXPECT_THAT(said.text, HasSubstr("nginx 99: configuration 1 of "));
  EXPECT_THAT(said.text, HasSubstr("2 of 2 workers"));
  EXPECT_THAT(said.text, HasSubstr("all is well"));
  EXPECT_THAT(said.text, Not(HasSubstr("wrong")));
  EXPECT_THAT(said.json, HasSubstr(R"({"ok":true,"wrong":[],"notes":[],"servers":[{"master":99,"generation":1,)"));
  EXPECT_THAT(said.json, HasSubstr(R"("hits":42)"));
  EXPECT_THAT(said.json, HasSubstr(R"("lease_age_ms":120)"));
  EXPECT_THAT(said.json,
              HasSubstr(R"({"name":"acme","incarnation":"5f3a","version":12,"current":false,"stopped":false})"));
}

struct Case {
  const char* name;
  std::function<void(World&)> happens;
  const char* says;
};

class AgwctlStatusWrong : public testing::TestWithParam<Case> {};

TEST_P(AgwctlStatusWrong, is_said) {
  World world;
  GetParam().happens(world);
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_failed);
  EXPECT_THAT(said.text, HasSubstr(std::string("wrong: ") + GetParam().says));
  EXPECT_THAT(said.json, HasSubstr(R"({"ok":false,"wrong":[")"));
}

INSTANTIATE_TEST_SUITE_P(
    , AgwctlStatusWrong,
    testing::Values(
        Case{"nobody", [](World& w) { w.reading.processes.clear(); }, "no worker tells of itself in /state"},
        Case{"stopped", [](World& w) { w.worker(1).life = Told::Life::stopped; }, "worker 1 (pid 101): is stopped"},
        Case{"silent", [](World& w) { w.worker(0).report.told -= 60'000; },
             "worker 0 (pid 100): has said nothing for 60 s"},
        Case{"died", [](World& w) { w.worker(0).life = Told::Life::dead; }, "worker 0 (pid 100): died"},
        Case{"missing", [](World& w) { w.worker(0).life = Told::Life::dead; }, "1 of 2 workers run"},
        Case{"deaf", [](World& w) { w.worker(0).report.store.hears = 0; },
             "worker 0 (pid 100): doesn't hear of changes: every"},
        Case{"deaf_and_strict",
             [](World& w) {
               w.worker(0).report.store.kind = status::StoreKind::strict;
               w.worker(0).report.store.hears = 0;
             },
             "worker 0 (pid 100): doesn't hear of changes: every"},
        Case{"deaf_and_why",
             [](World& w) {
               for (int i = 0; i < 2; ++i) {
                 w.worker(i).report.store.hears = 0;
                 w.worker(i).report.store.trouble.set("no connection");
               }
             },
             "worker 0 (pid 100), worker 1 (pid 101): doesn't hear of changes (no connection)"},
        Case{"redis",
             [](World& w) {
               w.worker(0).report.store.kind = status::StoreKind::max_age;
               w.worker(0).report.store.trouble.set("no answer in time");
             },
             "worker 0 (pid 100): Redis: no answer in time"},
        Case{"broken_file",
             [](World& w) {
               w.worker(0).report.store.kind = status::StoreKind::file;
               w.worker(0).report.store.broken.set("line 1: oops");
             },
             "worker 0 (pid 100): the policy file is broken: line 1: oops; the last good policy stays in force"},
        Case{"behind",
             [](World& w) {
               w.worker(0).report.store.kind = status::StoreKind::file;
               w.worker(0).report.store.broken.set("line 1: oops");
               w.worker(0).report.store.usable = 0;
             },
             "worker 0 (pid 100): the policy file is broken: line 1: oops; the last good policy was never read here"},
        Case{"issuer",
             [](World& w) {
               w.worker(1).report.issuer[0].usable = 0;
               w.worker(1).report.issuer[0].fault.set("no keys yet");
             },
             "worker 1 (pid 101): issuer company: no keys yet"},
        Case{"no_sealer", [](World& w) { w.reading.processes.pop_back(); }, "no process writes the audit log"},
        Case{"log", [](World& w) { w.sealer().report.journal.written = 0; },
             "audit sealer (pid 200): the audit log can't"},
        Case{"full", [](World& w) { w.sealer().report.journal.fullest = 380; },
             "audit sealer (pid 200): a worker's audit journal is 95 % full"},
        Case{"strange", [](World& w) { w.reading.strange = 2; }, "2 processes are of another version"}),
    [](const auto& info) { return info.param.name; });

TEST(AgwctlStatus, who_is_replaced_by_a_reload_drains_and_nothing_is_wrong) {
  World world;
  for (std::uint32_t i = 0; i < 2; ++i) {
    Told& told = world.add(status::Kind::worker, i, 110 + static_cast<std::int32_t>(i), 2);
    told.report.store.kind = status::StoreKind::push;
    told.report.store.hears = 1;
  }
  world.add(status::Kind::sealer, 0, 201, 2);
  world.worker(0).report.store.hears = 0;  // its connections may be gone already
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_ok) << said.text;
  EXPECT_THAT(said.text, HasSubstr("configuration 2"));
  EXPECT_THAT(said.json, HasSubstr(R"({"pid":100,"state":"draining")"));
  EXPECT_THAT(said.json, HasSubstr(R"({"pid":110,"state":"runs")"));
}

TEST(AgwctlStatus, a_successor_takes_the_blame_off_who_died) {
  World world;
  world.worker(0).life = Told::Life::dead;
  Told& next = world.add(status::Kind::worker, 0, 120);
  next.report.store.kind = status::StoreKind::file;
  next.report.store.usable = 1;
  next.report.process.deaths = 1;
  next.report.process.dead = 100;
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_ok) << said.text;
  EXPECT_THAT(said.text, HasSubstr("note: worker 0 (pid 120): 1 before it died, the last one was pid 100"));
  EXPECT_THAT(said.json, Not(HasSubstr(R"("pid":100,)")));
}

TEST(AgwctlStatus, an_nginx_that_another_one_replaces_may_go_without_workers) {
  World world;
  for (std::size_t i = 0; i < 2; ++i) world.worker(i).report.draining = 1;
  world.reading.processes.pop_back();
  EXPECT_THAT(world.say().text, HasSubstr("wrong: 0 of 2 workers run"));
  World next;
  for (Told told : next.reading.processes) {
    told.report.process.master = 300;
    told.report.process.pid += 1000;
    world.reading.processes.push_back(told);
  }
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_ok) << said.text;
  EXPECT_THAT(said.json, HasSubstr(R"("master":99)"));
  EXPECT_THAT(said.json, HasSubstr(R"("master":300)"));
}

TEST(AgwctlStatus, any_numbers_are_printed) {
  World world;
  status::Report& report = world.worker(0).report;
  report.tenants = report.issuers = 0xFFFFFFFF;
  report.told = std::numeric_limits<std::int64_t>::min();
  report.process.since = std::numeric_limits<std::int64_t>::max();
  report.issuer[0].fetched = std::numeric_limits<std::int64_t>::min();
  report.store.kind = static_cast<status::StoreKind>(77);
  report.tenant[0].name.bytes.fill('\x1b');
  world.sealer().report.journal.slots = ~std::uint64_t{0};
  world.sealer().report.journal.fullest = ~std::uint64_t{0} / 3 - 1;
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_failed);
  EXPECT_THAT(said.text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(said.json, Not(HasSubstr("\x1b")));
}

TEST(AgwctlStatus, a_stop_and_who_passes_it_are_told) {
  World world;
  status::Report& report = world.worker(0).report;
  report.tenant[0].stopped = 1;
  report.break_glass = 2;
  const Said said = world.say();
  EXPECT_EQ(said.status, exit_ok);
  EXPECT_THAT(said.text, HasSubstr("calls of tenant acme are stopped"));
  EXPECT_THAT(said.text, HasSubstr("a stop doesn't hold for 2 agents"));
  report.break_glass_fault.set("is not valid JSON");
  const Said wrong = world.say();
  EXPECT_EQ(wrong.status, exit_failed);
  EXPECT_THAT(wrong.text, HasSubstr("a stop holds for every agent"));
}

}  // namespace
}  // namespace agw::agwctl
