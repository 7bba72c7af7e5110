#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/mcp/event_stream.h"

namespace {

using namespace agw::mcp;

constexpr std::size_t plenty = 1U << 20;

/// The stream's blocks where it comes in pieces that end at `cuts`.
std::vector<std::string> blocks_of(const std::string& stream, std::vector<std::size_t> cuts,
                                   std::string* rest = nullptr) {
  EventSplitter splitter(plenty);
  std::vector<std::string> out;
  cuts.push_back(stream.size());
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    std::string_view piece(stream.data() + from, cut - from);
    while (const auto block = splitter.next(piece)) out.emplace_back(*block);
    EXPECT_TRUE(piece.empty());
    from = cut;
  }
  if (rest != nullptr) *rest = splitter.rest();
  return out;
}

/// The data of each event.
std::vector<std::string> data_of(const std::vector<std::string>& blocks) {
  std::vector<std::string> out;
  std::string joined;
  for (const auto& block : blocks) {
    const Event event = read_event(block, joined);
    if (event.has_data) out.emplace_back(event.data);
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += part;
  return out;
}

struct Case {
  std::string name;
  std::string stream;
  std::vector<std::string> data;
  std::string rest;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"one event", "data: a\n\n", {"a"}, ""},
      {"with a name and an id", "event: message\nid: 7\ndata: a\n\n", {"a"}, ""},
      {"without the space", "data:a\n\n", {"a"}, ""},
      {"one space alone is taken off", "data:  a\n\n", {" a"}, ""},
      {"several lines", "data: a\ndata: b\ndata:\n\n", {"a\nb\n"}, ""},
      {"other lines between", "data: a\nid: 1\ndata: b\n\n", {"a\nb"}, ""},
      {"CR LF", "data: a\r\n\r\ndata: b\r\n\r\n", {"a", "b"}, ""},
      {"CR", "data: a\r\rdata: b\r\r", {"a", "b"}, ""},
      {"mixed ends", "data: a\n\r\ndata: b\r\n\ndata: c\r\n\r", {"a", "b", "c"}, ""},
      {"a byte order mark",
       "\xEF\xBB\xBF"
       "data: a\n\n",
       {"a"},
       ""},
      {"an empty event before", "id: 1\ndata: \n\ndata: a\n\n", {"", "a"}, ""},
      {"a name without a colon", "data\n\n", {""}, ""},
      {"keep-alives", ": ping\n\n: ping\n\ndata: a\n\n", {"a"}, ""},
      {"a comment in an event", "data: a\n: ping\ndata: b\n\n", {"a\nb"}, ""},
      {"a comment that no empty line follows", ": ping\ndata: a\n\n", {"a"}, ""},
      {"retry", "retry: 500\n\ndata: a\n\n", {"a"}, ""},
      {"other names", "datax: a\nDATA: b\n data: c\n\n", {}, ""},
      {"what no empty line ends", "data: a\n\ndata: b\n", {"a"}, "data: b\n"},
      {"empty lines", "\n\n\r\n\rdata: a\n\n\n\n", {"a"}, ""},
  };
  return all;
}

TEST(WholeBlocks, end_with_the_last_empty_line) {
  EXPECT_EQ(whole_blocks(""), 0U);
  EXPECT_EQ(whole_blocks("data: a\n"), 0U);
  EXPECT_EQ(whole_blocks("data: a\n\n"), 9U);
  EXPECT_EQ(whole_blocks("data: a\r\n\r\n"), 11U);
  EXPECT_EQ(whole_blocks("data: a\n\ndata: b\nid: 1\n"), 9U);
  EXPECT_EQ(whole_blocks("data: a\n\n\ndata: b"), 10U);
  EXPECT_EQ(whole_blocks("data: a\r\r"), 0U);
}

TEST(EventStream, whatever_the_pieces) {
  for (const Case& c : cases()) {
    std::string rest;
    const auto whole = blocks_of(c.stream, {}, &rest);
    EXPECT_EQ(data_of(whole), c.data) << c.name;
    EXPECT_EQ(rest, c.rest) << c.name;
    EXPECT_EQ(joined(whole) + rest, c.stream) << c.name;
    for (std::size_t i = 0; i <= c.stream.size(); ++i) {
      for (std::size_t j = i; j <= c.stream.size(); ++j) {
        const auto pieces = blocks_of(c.stream, {i, j}, &rest);
        EXPECT_EQ(data_of(pieces), c.data) << c.name << " cut at " << i << " and " << j;
        EXPECT_EQ(joined(pieces) + rest, c.stream) << c.name << " cut at " << i << " and " << j;
      }
    }
    std::vector<std::size_t> each;
    for (std::size_t i = 0; i < c.stream.size(); ++i) each.push_back(i);
    EXPECT_EQ(data_of(blocks_of(c.stream, each, &rest)), c.data) << c.name << " byte by byte";
  }
}

TEST(EventStream, nothing_waits_that_is_whole) {
  EventSplitter splitter(plenty);
  const auto first = [&](std::string_view bytes) { return std::string(splitter.next(bytes).value_or("nothing")); };
  EXPECT_EQ(first(": ping\n"), ": ping\n");
  EXPECT_EQ(first("data: a\r\r"), "data: a\r\r");
  EXPECT_EQ(first("\ndata: b\n\n"), "\n");
  EventSplitter other(plenty);
  std::string_view half = "data: a\n";
  EXPECT_FALSE(other.next(half));
  EXPECT_FALSE(other.at_boundary());
  half = "\n";
  EXPECT_EQ(other.next(half).value_or(""), "data: a\n\n");
}

TEST(EventStream, a_block_is_no_larger_than_it_may_be) {
  for (const std::size_t piece : {1U, 7U, 64U}) {
    EventSplitter splitter(32);
    const std::string good = "data: " + std::string(24, 'x') + "\n\n";
    const std::string large = "data: " + std::string(25, 'x') + "\n\n";
    const auto feed = [&](const std::string& text) {
      std::size_t found = 0;
      for (std::size_t at = 0; at < text.size(); at += piece) {
        std::string_view bytes = std::string_view(text).substr(at, piece);
        while (splitter.next(bytes)) ++found;
      }
      return found;
    };
    EXPECT_EQ(feed(good + good), 2U);
    EXPECT_FALSE(splitter.overflowed());
    EXPECT_EQ(feed(large + good), 0U);
    EXPECT_TRUE(splitter.overflowed());
  }
}

TEST(EventStream, other_data_in_its_place) {
  EXPECT_EQ(with_data("event: message\r\ndata: old\r\nid: 7\r\n\r\n", "new"),
            "event: message\r\ndata: new\r\nid: 7\r\n\r\n");
  EXPECT_EQ(with_data("id: 1\ndata: a\n: note\ndata: b\n\n", "x\ny"), "id: 1\ndata: x\ndata: y\n: note\n\n");
  EXPECT_EQ(with_data("\xEF\xBB\xBF"
                      "data:a\n\n",
                      "b"),
            "\xEF\xBB\xBF"
            "data: b\n\n");
  EXPECT_EQ(with_data("data: a", "b"), "data: b\n");
  EXPECT_EQ(with_data("id: 7\ndata: a\ndata: b\nevent: x\n\n", ""), "id: 7\nevent: x\n\n");
}

TEST(EventStream, media_types) {
  EXPECT_TRUE(is_event_stream("text/event-stream"));
  EXPECT_TRUE(is_event_stream("Text/Event-Stream; charset=utf-8"));
  EXPECT_FALSE(is_event_stream("text/event-streams"));
  EXPECT_FALSE(is_event_stream("application/json"));
  EXPECT_FALSE(is_event_stream(""));
}

}  // namespace
