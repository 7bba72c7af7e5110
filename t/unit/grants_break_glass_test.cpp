#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/base/encoding.h"
#include "agw/grants/break_glass.h"

#include "support/fakes.h"

namespace agw::grants {
namespace {

constexpr std::int64_t now_s = 1'800'000'000;

std::string entry(const std::string& agent, std::int64_t ahead_s, const std::string& reason = "the fire") {
  return R"({"agent": ")" + agent + R"(", "until": ")" + format_rfc3339(from_unix(now_s + ahead_s)) +
         R"(", "reason": ")" + reason + R"("})";
}

std::string file(const std::string& entries) { return R"({"agents": [)" + entries + "]}"; }

TEST(BreakGlassFile, says_who_and_until_when) {
  const auto read = parse_break_glass(file(entry("company|rescue", 3600) + "," + entry("company|other", 24 * 3600)),
                                      from_unix(now_s));
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->front().agent, "company|rescue");
  EXPECT_EQ(read->front().until, from_unix(now_s + 3600));
  EXPECT_EQ(read->front().reason, "the fire");
  EXPECT_TRUE(parse_break_glass(file(""), from_unix(now_s))->empty());
  EXPECT_EQ(parse_break_glass(file(entry("company|rescue", -3600)), from_unix(now_s))->size(), 1U)
      << "over is no fault";
}

TEST(BreakGlassFile, anything_odd_makes_all_of_it_wrong) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += (i == 0 ? "" : ",") + entry("company|a" + std::to_string(i), 60);
  struct Case {
    const char* name;
    std::string text;
    const char* says;
  };
  const Case cases[] = {
      {"no JSON", "agents", "JSON"},
      {"empty", "", "JSON"},
      {"a list", "[]", "object"},
      {"no agents", "{}", "agents"},
      {"another key", R"({"agents": [], "all": true})", "all"},
      {"a key twice", R"({"agents": [], "agents": []})", "JSON"},
      {"an agent as a word", file(R"("company|rescue")"), "object"},
      {"no reason", file(R"({"agent": "company|rescue", "until": "2027-01-15T08:00:00Z"})"), "reason"},
      {"an empty reason", file(entry("company|rescue", 60, " ")), "why"},
      {"no time", file(R"({"agent": "company|rescue", "reason": "x"})"), "until"},
      {"no time that can be read", file(R"({"agent": "company|rescue", "until": "soon", "reason": "x"})"), "time"},
      {"further ahead than a day", file(entry("company|rescue", 24 * 3600 + 1)), "24 hours"},
      {"a pattern", file(entry("company|*", 60)), "ISSUER|CLIENT"},
      {"everybody", file(entry("*", 60)), "ISSUER|CLIENT"},
      {"twice the same", file(entry("company|rescue", 60) + "," + entry("company|rescue", 90)), "second time"},
      {"too many", file(many), "64"},
  };
  for (const Case& row : cases) {
    const auto read = parse_break_glass(row.text, from_unix(now_s));
    ASSERT_FALSE(read) << row.name;
    EXPECT_NE(read.error().find(row.says), std::string::npos) << row.name << ": " << read.error();
  }
}

struct BreakGlassTest : testing::Test {
  BreakGlassTest()
      : path(std::filesystem::temp_directory_path() / ("agw-glass-" + std::to_string(::getpid()) + ".json")),
        watch(path) {
    write(file(entry("company|rescue", 3600)));
    watch.edited = false;
    auto read = read_break_glass(path, clock.now());
    glass.emplace(BreakGlass::Host{loop, background, watch, clock, log}, *read);
  }
  ~BreakGlassTest() override {
    loop.cancel_spawned();
    std::filesystem::remove(path);
  }
  void write(const std::string& text, mode_t mode = 0644) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    watch.edited = true;
  }
  void announce() {
    watch.announce();
    loop.settle();
  }

  std::string path;
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeBackground background{loop};
  test::FakeWatch watch;
  test::FakeLog log;
  std::optional<BreakGlass> glass;
};

TEST_F(BreakGlassTest, for_those_it_names_until_their_time) {
  EXPECT_TRUE(glass->holds_for("company|rescue"));
  EXPECT_FALSE(glass->holds_for("company|docs"));
  EXPECT_FALSE(glass->holds_for(""));
  loop.advance(Milliseconds(3600 * 1000));
  EXPECT_FALSE(glass->holds_for("company|rescue"));
}

TEST_F(BreakGlassTest, an_edit_counts_as_soon_as_it_is_read) {
  write(file(entry("company|other", 60)));
  announce();
  EXPECT_FALSE(glass->holds_for("company|rescue"));
  EXPECT_TRUE(glass->holds_for("company|other"));
  // One that nobody announces is seen by who asks.
  write(file(entry("company|rescue", 60)));
  static_cast<void>(glass->holds_for("company|rescue"));
  loop.settle();
  EXPECT_TRUE(glass->holds_for("company|rescue"));
}

TEST_F(BreakGlassTest, a_file_that_cannot_be_read_breaks_no_glass) {
  const std::string good = file(entry("company|rescue", 3600));
  const std::function<void()> ways[] = {[&] { write("{"); }, [&] { write(good, 0666); }, [&] { write(good, 0620); },
                                        [&] {
                                          std::filesystem::remove(path);
                                          watch.edited = true;
                                        },
                                        [&] { write(file(entry("company|rescue", 25 * 3600))); }};
  for (const auto& way : ways) {
    way();
    announce();
    EXPECT_FALSE(glass->holds_for("company|rescue"));
    EXPECT_TRUE(log.contains("a stop holds for every agent"));
    status::Report report;
    glass->tell(report);
    EXPECT_EQ(report.break_glass, 0U);
    EXPECT_FALSE(report.break_glass_fault.view().empty());
    std::filesystem::remove(path);
    write(good);
    announce();
    EXPECT_TRUE(glass->holds_for("company|rescue"));
    report = {};
    glass->tell(report);
    EXPECT_EQ(report.break_glass, 1U);
    EXPECT_TRUE(report.break_glass_fault.view().empty());
  }
}

TEST_F(BreakGlassTest, the_log_is_told_once_a_minute) {
  const auto told = [&] {
    return std::count_if(log.lines.begin(), log.lines.end(), [](const auto& line) {
      return line.first == LogLevel::warn && line.second.find("passes a stop") != std::string::npos;
    });
  };
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(glass->holds_for("company|rescue"));
  EXPECT_EQ(told(), 1);
  loop.advance(Milliseconds(61'000));
  EXPECT_TRUE(glass->holds_for("company|rescue"));
  EXPECT_EQ(told(), 2);
}

}  // namespace
}  // namespace agw::grants
