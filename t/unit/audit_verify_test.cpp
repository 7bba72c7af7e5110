// What verify finds in a log that was tampered with, and where.
#include <sstream>

#include <gtest/gtest.h>

#include "agw/audit/chain.h"
#include "agw/audit/verify.h"

#include "support/audit.h"

namespace agw::audit {
namespace {

const std::string root(32, 'r');

using Lines = std::vector<std::string>;

/// A closed chain: its opening record, so many events, its closing record.
Lines chain_of(const std::string& key, int events, std::uint64_t seed = 0) {
  test::AuditLog log(key, 1U << 20);
  for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(log.random.hex(3));
  {
    test::MemoryJournal master(log.shared);
    // Another key first, so that the chain's own name depends on the seed.
    want_chain(master, key + "x", log.random);
    want_chain(master, key, log.random);
  }
  for (int i = 0; i < events; ++i) {
    const std::string id = "e" + std::to_string(i);
    Event event;
    event.id = id;
    event.type = "mcp.tools.call";
    log.writer.begin(event)->finish({.outcome = Outcome::ok});
    if (i % 3 == 2) log.sealer.pass();
  }
  EXPECT_TRUE(log.sealer.close());
  Lines out;
  std::istringstream in(log.file.text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::string text_of(const Lines& lines) {
  std::string out;
  for (const auto& line : lines) out += line + "\n";
  return out;
}

std::vector<std::string> findings(const std::vector<std::string>& files, Verifier::Options options = {.whole = true},
                                  const std::vector<std::string>& roots = {root}) {
  std::vector<Secret> keys;
  for (const auto& key : roots) keys.emplace_back(std::string(key));
  Verifier verifier(keys, options);
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::istringstream in(files[i]);
    verifier.read("f" + std::to_string(i), in);
  }
  verifier.finish();
  std::vector<std::string> out;
  for (const auto& finding : verifier.findings())
    out.push_back(finding.file + ":" + std::to_string(finding.line) + ": " + finding.what);
  return out;
}

struct Case {
  const char* name;
  std::function<void(Lines&)> change;
  std::vector<std::string> expected;  ///< beginning of each finding's place, and a word of it
};

std::string changed(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

// Lines 1 (open) … 9 (events 2 … 8), 9 (close): numbers are lines.
const std::vector<Case> cases{
    {"nothing", [](Lines&) {}, {}},
    {"a value changed", [](Lines& l) { l[3] = changed(l[3], "\"e2\"", "\"x2\""); }, {"f0:4: its MAC is wrong"}},
    {"a number changed",
     [](Lines& l) { l[3] = changed(l[3], "\"seq\":4", "\"seq\":5"); },
     {"f0:4: ", "f0:5: ", "f0:6: its MAC"}},
    {"a MAC changed", [](Lines& l) { l[3][l[3].size() - 10] ^= 1; }, {"f0:4: ", "f0:5: its MAC is wrong"}},
    {"a MAC cut off", [](Lines& l) { l[3] = l[3].substr(0, l[3].find(",\"key\"")) + "}"; }, {"f0:4: has lost its MAC"}},
    {"a MAC without a key",
     [](Lines& l) {
       l[3] = changed(l[3], l[3].substr(l[3].find(",\"key\""), l[3].find(",\"mac\"") - l[3].find(",\"key\"")), "");
     },
     {"f0:4: belongs to no chain", "f0:5: "}},
    {"a step that can't be", [](Lines& l) { l[3] = changed(l[3], ".1\",", ".999999999\","); }, {"f0:4: names a step"}},
    {"a step back", [](Lines& l) { l[6] = changed(l[6], ".2\",", ".0\","); }, {"f0:7: names a step"}},
    {"another key's name",
     [](Lines& l) { l[3] = changed(l[3], "\"key\":\"k", "\"key\":\"k0"); },
     {"f0:4: names another key"}},
    {"a line removed", [](Lines& l) { l.erase(l.begin() + 3); }, {"f0:4: "}},
    {"three lines removed", [](Lines& l) { l.erase(l.begin() + 3, l.begin() + 6); }, {"f0:4: "}},
    {"two lines changed places", [](Lines& l) { std::swap(l[3], l[4]); }, {"f0:4: ", "f0:5: "}},
    {"a line twice", [](Lines& l) { l.insert(l.begin() + 4, l[3]); }, {"f0:5: "}},
    {"JSON of no chain", [](Lines& l) { l.insert(l.begin() + 4, R"({"v":1})"); }, {"f0:5: belongs to no chain"}},
    {"no JSON", [](Lines& l) { l.insert(l.begin() + 4, "hello"); }, {"f0:5: not a line of JSON"}},
    {"an empty line", [](Lines& l) { l.insert(l.begin() + 4, ""); }, {"f0:5: not a line of JSON"}},
    {"a tail inside a string",
     [](Lines& l) { l.insert(l.begin() + 4, R"({"text":",\"chain\":\"x\",\"seq\":1}"})"); },
     {"f0:5: belongs to no chain"}},
    {"an invented chain",
     [](Lines& l) { l.insert(l.begin() + 4, R"({"type":"audit.open","chain":"aa","seq":1})"); },
     {"f0:5: chain aa has no MACs", "f0:5: chain aa has no closing"}},
    {"the beginning removed", [](Lines& l) { l.erase(l.begin()); }, {"f0:1: "}},
    {"the end removed", [](Lines& l) { l.erase(l.end() - 2, l.end()); }, {"f0:7: "}},
    {"the closing record removed", [](Lines& l) { l.pop_back(); }, {"f0:8: "}},
    {"all but the closing record removed", [](Lines& l) { l.erase(l.begin(), l.end() - 1); }, {"f0:1: "}},
    {"a line too long", [](Lines& l) { l.insert(l.begin() + 4, std::string(2U << 20, 'x')); }, {"f0:5: longer"}},
};

TEST(AuditVerify, finds_what_was_done_and_where) {
  const Lines good = chain_of(root, 7);
  ASSERT_EQ(good.size(), 9U);
  for (const Case& one : cases) {
    Lines lines = good;
    one.change(lines);
    const auto found = findings({text_of(lines)});
    ASSERT_EQ(found.size(), one.expected.size()) << one.name << ": " << testing::PrintToString(found);
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_TRUE(found[i].starts_with(one.expected[i])) << one.name << ": " << found[i];
  }
}

TEST(AuditVerify, every_changed_byte_is_found) {
  const std::string good = text_of(chain_of(root, 4));
  ASSERT_TRUE(findings({good}).empty());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_FALSE(findings({bad}).empty()) << at << " of " << good.size();
  }
}

TEST(AuditVerify, every_cut_is_found) {
  const std::string good = text_of(chain_of(root, 4));
  for (std::size_t size = 1; size < good.size(); ++size) EXPECT_FALSE(findings({good.substr(0, size)}).empty()) << size;
}

TEST(AuditVerify, files_in_order_are_one_log) {
  Lines lines = chain_of(root, 7);
  const std::string first = text_of({lines.begin(), lines.begin() + 4});
  const std::string second = text_of({lines.begin() + 4, lines.end()});
  EXPECT_TRUE(findings({first, second}).empty());
  const auto found = findings({second, first}, {});
  ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
  EXPECT_TRUE(found[0].starts_with("f1:1: ")) << found[0];
  EXPECT_NE(found[0].find("reordered"), std::string::npos);
}

TEST(AuditVerify, a_part_of_a_log_is_good_unless_all_is_asked_for) {
  const Lines lines = chain_of(root, 7);
  const std::string middle = text_of({lines.begin() + 2, lines.end() - 2});
  EXPECT_TRUE(findings({middle}, {}).empty());
  EXPECT_EQ(findings({middle}).size(), 2U);
}

TEST(AuditVerify, keys_change_and_former_ones_still_open) {
  const std::string other(32, 'o');
  const std::string both = text_of(chain_of(root, 3)) + text_of(chain_of(other, 3, 5));
  EXPECT_TRUE(findings({both}, {.whole = true}, {root, other}).empty());
  EXPECT_TRUE(findings({both}, {.whole = true}, {other, root}).empty());
  EXPECT_FALSE(findings({both}, {.whole = true}, {root}).empty());
  EXPECT_FALSE(findings({both}, {.whole = true}, {std::string(32, 'z')}).empty());
}

TEST(AuditVerify, lines_without_macs_are_good_only_if_that_is_said) {
  const std::string plain = text_of(chain_of("", 5));
  EXPECT_TRUE(findings({plain}, {.unkeyed = true, .whole = true}, {}).empty());
  EXPECT_FALSE(findings({plain}, {.whole = true}).empty());
  Lines lines = chain_of("", 5);
  lines.erase(lines.begin() + 2);
  EXPECT_EQ(findings({text_of(lines)}, {.unkeyed = true, .whole = true}, {}).size(), 1U);
}

TEST(AuditVerify, a_chain_that_was_cut_off_is_missed_by_its_successor) {
  test::AuditLog log(root, 1U << 20);
  const auto put = [&log](std::string_view id) {
    Event event;
    event.id = id;
    log.writer.begin(event)->finish({.outcome = Outcome::ok});
    log.sealer.pass();
  };
  put("a");
  put("b");
  {
    test::MemoryJournal master(log.shared);
    want_chain(master, std::string(32, 'n'), log.random);
  }
  put("c");
  ASSERT_TRUE(log.sealer.close());
  const std::vector<std::string> keys{root, std::string(32, 'n')};
  EXPECT_TRUE(findings({log.file.text}, {.whole = true}, keys).empty());
  Lines lines;
  std::istringstream in(log.file.text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  lines.erase(lines.begin() + 2, lines.begin() + 4);  // b and the closing record
  const auto found = findings({text_of(lines)}, {}, keys);
  ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
  EXPECT_TRUE(found[0].starts_with("f0:2: ")) << found[0];
}

TEST(AuditVerify, only_an_exact_tail_is_one) {
  const std::string mac(43, 'A');
  const std::vector<std::pair<std::string, bool>> tails{
      {R"(,"chain":"ab","seq":1})", true},
      {R"(,"chain":"ab","seq":01})", false},
      {R"(,"chain":"ab","seq":-1})", false},
      {R"(,"chain":"ab","seq":18446744073709551616})", false},
      {R"(,"chain":"ab","seq": 1})", false},
      {R"(,"chain":"AB","seq":1})", false},
      {R"(,"chain":"","seq":1})", false},
      {R"(,"seq":1,"chain":"ab"})", false},
      {R"(,"chain":"ab","seq":1,"key":"k1.0","mac":")" + mac + "\"}", true},
      {R"(,"chain":"ab","seq":1,"key":"k1","mac":")" + mac + "\"}", false},
      {R"(,"chain":"ab","seq":1,"mac":")" + mac + "\"}", false},
      {R"(,"chain":"ab","seq":1,"key":"k1.0","mac":")" + mac.substr(1) + "\"}", false},
      {R"(,"chain":"ab","seq":1,"key":"k1.0","mac":")" + mac + "A\"}", false},
      {R"(,"chain":"ab","seq":1,"key":"k1.0","mac":")" + mac.substr(1) + "B\"}", false},
      {"", false},
      {"}", false},
      {"\"}", false}};
  for (const auto& [tail, good] : tails) EXPECT_EQ(parse_tail("{\"v\":1" + tail).has_value(), good) << tail;
}

}  // namespace
}  // namespace agw::audit
