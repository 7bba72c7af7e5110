#include <gtest/gtest.h>

#include "agw/io/redis_protocol.h"

namespace agw {
namespace {

std::string show(const RedisReply& reply) {
  switch (reply.type) {
    case RedisReply::Type::nil: return "nil";
    case RedisReply::Type::text: return '"' + reply.text + '"';
    case RedisReply::Type::integer: return std::to_string(reply.integer);
    case RedisReply::Type::error: return '!' + reply.text;
    case RedisReply::Type::array: break;
  }
  std::string text = "[";
  for (const RedisReply& element : reply.elements) text += show(element) + ' ';
  return text + ']';
}

/// Every reply in the bytes, fed in pieces of `step`; ends with `broken` after an error.
std::string read_all(std::string_view bytes, std::size_t step, std::size_t max_reply = 4096) {
  RedisReader reader(max_reply);
  std::string shown;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!reader.feed(bytes.substr(at, step))) return shown + "broken";
    while (true) {
      auto reply = reader.next();
      if (!reply) return shown + "broken";
      if (!*reply) break;
      shown += show(**reply) + ';';
    }
  }
  return shown;
}

struct Case {
  const char* name;
  std::string bytes;
  std::string expected;
};

TEST(RedisReader, reads_replies_however_they_are_cut) {
  const Case cases[] = {
      {"status", "+OK\r\n", "\"OK\";"},
      {"error", "-WRONGTYPE no\r\n", "!WRONGTYPE no;"},
      {"integer", ":-42\r\n", "-42;"},
      {"bulk", "$5\r\na\r\nb\n\r\n", "\"a\r\nb\n\";"},
      {"empty bulk", "$0\r\n\r\n", "\"\";"},
      {"nil bulk", "$-1\r\n", "nil;"},
      {"nil array", "*-1\r\n", "nil;"},
      {"empty array", "*0\r\n", "[];"},
      {"array", "*3\r\n$1\r\na\r\n:1\r\n*2\r\n$-1\r\n-ERR x\r\n", "[\"a\" 1 [nil !ERR x ] ];"},
      {"two replies", "+A\r\n*1\r\n+B\r\n", "\"A\";[\"B\" ];"},
      {"not Redis", "HTTP/1.1 400 Bad Request\r\n\r\n", "broken"},
      {"bad length", "$abc\r\n", "broken"},
      {"negative length", "$-5\r\n", "broken"},
      {"array that promises too much", "*2147483647\r\n", "broken"},
      {"array over the limit", "*1000\r\n", "broken"},
      {"too deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n", "broken"},
      {"after a good one", "+OK\r\n?\r\n", "\"OK\";broken"},
  };
  for (const Case& row : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
      EXPECT_EQ(read_all(row.bytes, step), row.expected) << row.name << " in steps of " << step;
    }
  }
}

TEST(RedisReader, bounds_a_reply) {
  const std::string bulk = "$5000\r\n" + std::string(5000, 'x') + "\r\n";
  EXPECT_EQ(read_all(bulk, 4096, 8192).size(), 5003U);
  EXPECT_EQ(read_all(bulk, 1024, 4096), "broken");
  EXPECT_EQ(read_all("$9000000000\r\n" + std::string(100000, 'x'), 1024, 4096), "broken");
  // Each reply has the whole limit for itself.
  const std::string small = "$500\r\n" + std::string(500, 'y') + "\r\n";
  std::string many;
  for (int i = 0; i < 100; ++i) many += small;
  EXPECT_EQ(read_all(many, 4096, 1024).size(), 100U * 503U);
}

TEST(RedisCommandBytes, are_length_prefixed) {
  std::string out = "x";
  append_command(out, {"SET", "k\r\n", std::string("\0v", 2), ""});
  using std::string_literals::operator""s;
  EXPECT_EQ(out, "x*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n\0v\r\n$0\r\n\r\n"s);
}

}  // namespace
}  // namespace agw
