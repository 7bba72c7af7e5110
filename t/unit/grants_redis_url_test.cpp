#include <gtest/gtest.h>

#include "agw/grants/redis_url.h"

namespace agw::grants {
namespace {

TEST(RedisUrl, names_host_or_socket_user_and_database) {
  struct Case {
    const char* url;
    const char* host;
    int port;
    const char* unix_path;
    bool tls;
    unsigned db;
    const char* user;
    const char* text;
  };
  const Case cases[] = {
      {"redis://127.0.0.1:6380/2", "127.0.0.1", 6380, "", false, 2, "", "redis://127.0.0.1:6380/2"},
      {"redis://localhost", "localhost", 6379, "", false, 0, "", "redis://localhost:6379/0"},
      {"redis://localhost/", "localhost", 6379, "", false, 0, "", "redis://localhost:6379/0"},
      {"rediss://gateway@r.example:7000/1", "r.example", 7000, "", true, 1, "gateway",
       "rediss://gateway@r.example:7000/1"},
      {"redis://[::1]:6379/0", "::1", 6379, "", false, 0, "", "redis://[::1]:6379/0"},
      {"rediss://[::1]", "::1", 6379, "", true, 0, "", "rediss://[::1]:6379/0"},
      {"unix:/run/redis.sock", "", 6379, "/run/redis.sock", false, 0, "", "unix:/run/redis.sock?db=0"},
      {"unix:/run/redis.sock?db=3&user=u", "", 6379, "/run/redis.sock", false, 3, "u", "unix:/run/redis.sock?db=3"},
      {"redis+unix:///run/redis.sock?db=1", "", 6379, "/run/redis.sock", false, 1, "", "unix:/run/redis.sock?db=1"},
      {"unix:////run//redis.sock", "", 6379, "/run//redis.sock", false, 0, "", "unix:/run//redis.sock?db=0"}};
  for (const Case& row : cases) {
    const auto address = parse_redis_url(row.url);
    ASSERT_TRUE(address) << row.url << ": " << address.error();
    EXPECT_EQ(address->host, row.host) << row.url;
    EXPECT_EQ(address->port, row.port) << row.url;
    EXPECT_EQ(address->unix_path, row.unix_path) << row.url;
    EXPECT_EQ(address->tls, row.tls) << row.url;
    EXPECT_EQ(address->db, row.db) << row.url;
    EXPECT_EQ(address->user, row.user) << row.url;
    EXPECT_EQ(address->text(), row.text) << row.url;
  }
}

TEST(RedisUrl, anything_else_is_refused_with_an_example) {
  for (const char* url : {"",
                          "redis",
                          "http://x",
                          "redis://",
                          "redis:///0",
                          "redis://:hunter2@h/0",
                          "redis://u:hunter2@h",
                          "redis://h:0",
                          "redis://h:65536",
                          "redis://h:x",
                          "redis://h:",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h/99999999999",
                          "redis://[::1",
                          "redis://[::1]x",
                          "redis://@h",
                          "redis://u@v@h",
                          "redis://h\nx",
                          "redis://h%20x",
                          "redis://a b/0",
                          "redis://[::1%25lo]",
                          "redis://[h]x",
                          "unix:/run/a b",
                          "unix:",
                          "unix:relative",
                          "unix:/s?password=x",
                          "unix:/s?db=",
                          "unix:/s?db=x",
                          "unix:/s?user="}) {
    const auto address = parse_redis_url(url);
    ASSERT_FALSE(address) << url;
    EXPECT_NE(address.error().find("write for example"), std::string::npos) << url;
    EXPECT_EQ(address.error().find("hunter2"), std::string::npos) << url;
  }
}

}  // namespace
}  // namespace agw::grants
