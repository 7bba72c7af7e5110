// A process's report in shared memory: whole whatever happens to who writes it.
#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "agw/status/page.h"

namespace agw::status {
namespace {

struct Memory {
  alignas(64) std::array<std::byte, page_bytes> bytes{};
  [[nodiscard]] Page page() { return Page(bytes); }
  [[nodiscard]] std::optional<Report> read() const {
    const auto head = read_head(bytes).head;
    return head ? read_report(bytes, *head) : std::nullopt;
  }
};

Process process(std::int32_t pid, std::int32_t master = 10) {
  Process out;
  out.kind = Kind::worker;
  out.pid = pid;
  out.master = master;
  return out;
}

Report report(const Process& process, std::uint64_t hits) {
  Report out;
  out.process = process;
  out.store.hits = hits;
  out.store.misses = hits;
  return out;
}

TEST(StatusPage, what_was_told_last_is_read) {
  Memory memory;
  Page page = memory.page();
  EXPECT_FALSE(memory.read());
  EXPECT_FALSE(page.left());
  auto worker = process(7);
  page.begin(worker);
  EXPECT_EQ(page.state(), State::ended);
  EXPECT_FALSE(memory.read());
  for (std::uint64_t hits = 1; hits < 5; ++hits) {
    page.write(report(worker, hits));
    ASSERT_TRUE(memory.read());
    EXPECT_EQ(memory.read()->store.hits, hits);
    EXPECT_EQ(memory.read()->process.pid, 7);
  }
  EXPECT_EQ(page.state(), State::running);
  page.end();
  EXPECT_EQ(read_head(memory.bytes).head->state, State::ended);
}

TEST(StatusPage, who_is_killed_while_it_writes_leaves_the_report_before) {
  Memory memory;
  Page page = memory.page();
  auto worker = process(7);
  page.begin(worker);
  page.write(report(worker, 1));
  const auto before = memory.bytes;
  page.write(report(worker, 2));
  // Every byte but the one store that turns the page.
  auto torn = memory.bytes;
  std::memcpy(torn.data(), before.data(), head_bytes);
  const auto head = read_head(torn).head;
  ASSERT_TRUE(head);
  EXPECT_EQ(read_report(torn, *head)->store.hits, 1U);
}

TEST(StatusPage, a_reader_sees_that_it_was_overtaken) {
  Memory memory;
  Page page = memory.page();
  auto worker = process(7);
  page.begin(worker);
  page.write(report(worker, 1));
  const auto before = read_head(memory.bytes).head;
  page.write(report(worker, 2));
  EXPECT_NE(read_head(memory.bytes).head->turn, before->turn);
}

TEST(StatusPage, a_successor_knows_of_who_died_there) {
  Memory memory;
  Page page = memory.page();
  auto first = process(7);
  page.begin(first);
  page.write(report(first, 1));
  auto second = process(8);
  page.begin(second);
  EXPECT_EQ(second.deaths, 1U);
  EXPECT_EQ(second.dead, 7);
  page.write(report(second, 1));
  auto third = process(9);
  page.begin(third);
  EXPECT_EQ(third.deaths, 2U);
  page.write(report(third, 1));
  page.end();
  auto orderly = process(10);
  page.begin(orderly);
  EXPECT_EQ(orderly.deaths, 0U);
  page.write(report(orderly, 1));
  auto of_another_nginx = process(11, 12);
  page.begin(of_another_nginx);
  EXPECT_EQ(of_another_nginx.deaths, 0U);
}

TEST(StatusPage, bytes_of_nobody_are_nothing) {
  Memory memory;
  EXPECT_FALSE(read_head({}).head);
  EXPECT_FALSE(read_head(std::span(memory.bytes).first(head_bytes - 1)).head);
  EXPECT_FALSE(read_head(memory.bytes).head);
  Page page = memory.page();
  auto worker = process(7);
  page.begin(worker);
  page.write(report(worker, 1));
  const auto head = *read_head(memory.bytes).head;
  EXPECT_FALSE(read_report(std::span(memory.bytes).first(page_bytes / 2), head));
  EXPECT_FALSE(read_report(memory.bytes, Head{State::running, 0}));
  memory.bytes[0] = std::byte{99};  // the mark's low byte: another version
  EXPECT_FALSE(read_head(memory.bytes).head);
  EXPECT_TRUE(read_head(memory.bytes).strange);
  EXPECT_EQ(page.state(), State::ended);
  EXPECT_FALSE(page.left());
  memory.bytes[7] = std::byte{99};
  EXPECT_FALSE(read_head(memory.bytes).strange);
  page.begin(worker);  // begins anew, whatever was there
  EXPECT_FALSE(memory.read());
  page.write(report(worker, 3));
  EXPECT_EQ(memory.read()->store.hits, 3U);
}

TEST(StatusPage, texts_are_cut_and_end) {
  Text<4> text;
  EXPECT_EQ(text.view(), "");
  text.set("abcdef");
  EXPECT_EQ(text.view(), "abcd");
  text.set("x");
  EXPECT_EQ(text.view(), "x");
}

}  // namespace
}  // namespace agw::status
