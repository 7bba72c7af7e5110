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
                          "unix:/s?user=",
                          "redis+sentinel://",
                          "redis+sentinel://a",
                          "redis+sentinel://a/",
                          "redis+sentinel://a//0",
                          "redis+sentinel:///m",
                          "redis+sentinel://a,/m",
                          "redis+sentinel://,a/m",
                          "redis+sentinel://a,a:26379/m",
                          "redis+sentinel://a:0/m",
                          "redis+sentinel://a/m m",
                          "redis+sentinel://a/m*",
                          "redis+sentinel://a/m/x",
                          "redis+sentinel://a/m/0/1",
                          "redis+sentinel://u:hunter2@a/m",
                          "redis+sentinel://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17/m",
                          "redis+cluster://",
                          "redis+cluster://a,",
                          "redis+cluster://a:7000,a:7000",
                          "redis+cluster://a:7000/1",
                          "redis+cluster://u:hunter2@a",
                          "redis+cluster:a",
                          "rediss+cluster://a b",
                          "redis+cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}) {
    const auto address = parse_redis_url(url);
    ASSERT_FALSE(address) << url;
    EXPECT_NE(address.error().find("write for example"), std::string::npos) << url;
    EXPECT_EQ(address.error().find("hunter2"), std::string::npos) << url;
  }
}

TEST(RedisUrl, names_sentinels_and_what_they_know) {
  struct Case {
    const char* url;
    std::vector<RedisPlace> sentinels;
    const char* text;
  };
  const Case cases[] = {{"redis+sentinel://a/m", {{"a", 26379}}, "redis+sentinel://a:26379/m/0"},
                        {"redis+sentinel://a:1,b:2,[::1]:3/my-master/",
                         {{"a", 1}, {"b", 2}, {"::1", 3}},
                         "redis+sentinel://a:1,b:2,[::1]:3/my-master/0"},
                        {"rediss+sentinel://u@10.0.0.1:5,10.0.0.2/m.1_x/7",
                         {{"10.0.0.1", 5}, {"10.0.0.2", 26379}},
                         "rediss+sentinel://u@10.0.0.1:5,10.0.0.2:26379/m.1_x/7"}};
  for (const Case& row : cases) {
    const auto address = parse_redis_url(row.url);
    ASSERT_TRUE(address) << row.url << ": " << address.error();
    EXPECT_EQ(address->sentinels, row.sentinels) << row.url;
    EXPECT_EQ(address->text(), row.text) << row.url;
    EXPECT_TRUE(address->host.empty()) << row.url;
    EXPECT_EQ(parse_redis_url(address->text())->text(), row.text);
  }
}

TEST(RedisUrl, a_host_is_no_longer_than_a_name_can_be) {
  EXPECT_TRUE(parse_redis_url("redis://" + std::string(255, 'a')));
  EXPECT_FALSE(parse_redis_url("redis://" + std::string(256, 'a')));
  EXPECT_FALSE(parse_redis_url("redis+sentinel://" + std::string(256, 'a') + "/m"));
}

TEST(RedisUrl, names_nodes_of_a_cluster) {
  struct Case {
    const char* url;
    std::vector<RedisPlace> seeds;
    const char* text;
  };
  const Case cases[] = {
      {"redis+cluster://a", {{"a", 6379}}, "redis+cluster://a:6379"},
      {"redis+cluster://a:7000,[::1]:7001/", {{"a", 7000}, {"::1", 7001}}, "redis+cluster://a:7000,[::1]:7001"},
      {"rediss+cluster://u@a:7000,b", {{"a", 7000}, {"b", 6379}}, "rediss+cluster://u@a:7000,b:6379"}};
  for (const Case& row : cases) {
    const auto address = parse_redis_url(row.url);
    ASSERT_TRUE(address) << row.url << ": " << address.error();
    EXPECT_EQ(address->seeds, row.seeds) << row.url;
    EXPECT_EQ(address->text(), row.text) << row.url;
    EXPECT_TRUE(address->fails_over());
    EXPECT_TRUE(address->host.empty()) << row.url;
    EXPECT_EQ(parse_redis_url(address->text())->text(), row.text);
  }
}

TEST(RedisUrl, a_place_is_a_name_or_an_address_and_a_port) {
  EXPECT_EQ(read_place("10.0.0.1", "6379"), (RedisPlace{"10.0.0.1", 6379}));
  EXPECT_EQ(read_place("r-1.example", "1"), (RedisPlace{"r-1.example", 1}));
  EXPECT_EQ(read_place("::1", "65535"), (RedisPlace{"::1", 65535}));
  const std::pair<std::string, const char*> wrong[] = {{"", "1"},   {"a b", "1"}, {"a/b", "1"},
                                                       {"a", ""},   {"a", "0"},   {"a", "65536"},
                                                       {"a", "-1"}, {"a", "1x"},  {std::string(256, 'a'), "1"}};
  for (const auto& [host, port] : wrong) EXPECT_FALSE(read_place(host, port)) << host << " " << port;
}

}  // namespace
}  // namespace agw::grants
