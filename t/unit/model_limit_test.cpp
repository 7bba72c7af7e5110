// What a limit says, and what is wrong with it.
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/model/limit.h"

namespace agw {
namespace {

using testing::HasSubstr;

Result<Limit, std::string> parse(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  const std::vector<std::string_view> views(words.begin(), words.end());
  return parse_limit(views);
}

struct Good {
  const char* text;
  const char* id;
  LimitKind kind;
  std::int64_t amount;
};

const Good good[] = {
    {"agent 5r/h", "p:agent:r/h", LimitKind::bucket, 5},
    {"user+agent 10r/s burst=3", "p:agent+user:r/s", LimitKind::bucket, 10},
    {"tool+class+team+tenant+backend 1r/m", "p:tenant+team+tool+class+backend:r/m", LimitKind::bucket, 1},
    {"agent 10mb/d", "p:agent:b/d", LimitKind::window, 10 << 20},
    {"agent 64kb/s", "p:agent:b/s", LimitKind::bucket, 64 << 10},
    {"tenant 1000u/month warn=80,100", "p:tenant:u/month", LimitKind::window, 1000},
    {"agent 5r/h window", "p:agent:r/h/window", LimitKind::window, 5},
    {"backend 8c", "p:backend:c", LimitKind::concurrent, 8},
    {"agent 5r/h queue=5s name=reads", "p:agent:r/h", LimitKind::bucket, 5},
    {"agent 5r/h queue=200ms burst=1", "p:agent:r/h", LimitKind::bucket, 5},
};

TEST(ParseLimit, takes_what_is_right_and_writes_it_again) {
  for (const Good& row : good) {
    auto limit = parse(row.text);
    ASSERT_TRUE(limit) << row.text << ": " << limit.error();
    limit->place = "p";
    EXPECT_EQ(limit->id(), row.id) << row.text;
    EXPECT_EQ(limit->kind, row.kind) << row.text;
    EXPECT_EQ(limit->amount, row.amount) << row.text;
    const auto again = parse(write_limit(*limit));
    ASSERT_TRUE(again) << write_limit(*limit) << ": " << again.error();
    EXPECT_EQ(write_limit(*again), write_limit(*limit));
    EXPECT_EQ(again->queue, limit->queue);
    EXPECT_EQ(again->burst, limit->burst);
    EXPECT_EQ(again->warn, limit->warn);
  }
}

struct Bad {
  const char* text;
  const char* says;
};

const Bad bad[] = {
    {"", "says nothing"},
    {"agent", "says nothing"},
    {"agents 5r/h", "write tenant, team, agent"},
    {"agent+ 5r/h", "write tenant, team, agent"},
    {"agent+agent 5r/h", "twice"},
    {"agent 5", "write one as 5r/h"},
    {"agent 0r/h", "write one as 5r/h"},
    {"agent -5r/h", "write one as 5r/h"},
    {"agent +5r/h", "write one as 5r/h"},
    {"agent 5x/h", "write one as 5r/h"},
    {"agent 5r/y", "write one as 5r/h"},
    {"agent 99999999999999999999r/h", "write one as 5r/h"},
    {"agent 20000c", "at most 10000c"},
    {"agent 2gb/h", "add \"window\""},
    {"agent 5r/h burst=0", "write a number"},
    {"agent 5r/h burst=x", "write a number"},
    {"agent 5r/d burst=5", "only a bucket has"},
    {"agent 5r/d queue=5s", "only a bucket has"},
    {"agent 5r/h burst=5 window", "only a bucket has them"},
    {"agent 5r/h queue=2h", "at most a minute"},
    {"agent 5r/h queue=61s", "at most a minute"},
    {"agent 5r/h warn=80", "only a window has"},
    {"agent 5r/d warn=0", "percentages"},
    {"agent 5r/d warn=101", "percentages"},
    {"agent 5r/d warn=80,", "percentages"},
    {"agent 5r/h name=a/b", "letters, digits"},
    {"agent 5r/h name=", "letters, digits"},
    {"agent 8c window", "calls at once have none"},
    {"agent 5r/h often", "unknown word"},
};

TEST(ParseLimit, says_what_is_wrong_and_what_to_write) {
  for (const Bad& row : bad) {
    const auto limit = parse(row.text);
    ASSERT_FALSE(limit) << row.text;
    EXPECT_THAT(limit.error(), HasSubstr(row.says)) << row.text;
  }
}

}  // namespace
}  // namespace agw
