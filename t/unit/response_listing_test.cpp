#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/response/listing.h"

namespace {

using namespace agw;
using namespace agw::response;

/// Shows what is in a set; what begins with `hidden` exists and isn't shown.
class Shown final : public Sight {
 public:
  explicit Shown(std::set<std::string, std::less<>> names) : names_(std::move(names)) {}
  [[nodiscard]] bool shows(Listed, std::string_view name) const override { return names_.contains(name); }
  [[nodiscard]] bool hides(Listed, std::string_view name) const override { return name.starts_with("hidden"); }

 private:
  std::set<std::string, std::less<>> names_;
};

struct Edited {
  std::string text;
  std::string flaw;
  Count count;
};

template <class Function>
Edited edited(const std::string& text, Function function) {
  json::Document document;
  json::Limits limits;
  limits.keys_depth = 3;
  limits.any_values = true;
  const auto root = document.read(text, limits);
  if (!root) return {"", "no JSON", {}};
  Splices splices;
  Edited out;
  const Shown sight({"a", "c", "docs://a"});
  const Flaw flaw = function(*root, text, sight, splices, out.count);
  if (flaw) return {"", std::string(*flaw), {}};
  out.text = splices.apply(text).value_or("contradiction");
  return out;
}

Edited list(const std::string& text, Caching caching = {false, 1000}) {
  return edited(text, [caching](const json::Value& result, std::string_view from, const Sight& sight, Splices& splices,
                                Count& count) { return edit_lists(result, from, sight, caching, splices, count); });
}

TEST(Listing, what_stays_is_as_it_was) {
  struct Case {
    std::string name;
    std::string before;
    std::string after;
  };
  const std::string a =
      R"({ "name" : "a","description":"x \u00e9 \u0000 \ud800","n":1e999, "inputSchema":{"id":1,"ID":2} })";
  const std::string c = R"({"title":"C","name":"c"})";
  const std::vector<Case> all{
      {"all shown", R"({"tools":[)" + a + " , " + c + R"(]})", R"({"tools":[)" + a + " , " + c + R"(]})"},
      {"the first", R"({"tools":[{"name":"b"} , )" + a + "]}", R"({"tools":[)" + a + "]}"},
      {"the last", R"({"tools":[)" + a + R"(,{"name":"b"}],"nextCursor":"2"})",
       R"({"tools":[)" + a + R"(],"nextCursor":"2"})"},
      {"between", R"({"tools":[)" + a + R"(, {"name":"b"},{"name":"d"} ,)" + c + "]}",
       R"({"tools":[)" + a + ", " + c + "]}"},
      {"every other", R"({"tools":[{"name":"b"},)" + a + R"(,{"name":"b"},)" + c + R"(,{"name":"b"}]})",
       R"({"tools":[)" + a + "," + c + "]}"},
      {"all", R"({"tools":[ {"name":"b"},{"name":"d"} ],"nextCursor":"2"})", R"({"tools":[  ],"nextCursor":"2"})"},
      {"none", R"({"tools":[]})", R"({"tools":[]})"},
      {"an escaped name", R"({"tools":[{"name":"\u0061"},{"name":"\u0062"}]})", R"({"tools":[{"name":"\u0061"}]})"},
      {"prompts", R"({"prompts":[{"name":"a"},{"name":"b"}]})", R"({"prompts":[{"name":"a"}]})"},
      {"resources", R"({"resources":[{"name":"a","uri":"docs://b"},{"name":"b","uri":"docs://a"}]})",
       R"({"resources":[{"name":"b","uri":"docs://a"}]})"},
      {"templates", R"({"resourceTemplates":[{"uriTemplate":"docs://a"},{"uriTemplate":"docs://{x}"}]})",
       R"({"resourceTemplates":[{"uriTemplate":"docs://a"}]})"},
      {"two lists at once", R"({"prompts":[{"name":"b"}],"tools":[{"name":"b"}]})", R"({"prompts":[],"tools":[]})"},
      {"no list", R"({"content":[{"name":"b"}],"ttlMs":99999})", R"({"content":[{"name":"b"}],"ttlMs":99999})"},
      {"no object", R"(["tools"])", R"(["tools"])"},
  };
  for (const Case& each : all) {
    const Edited out = list(each.before);
    EXPECT_EQ(out.flaw, "") << each.name;
    EXPECT_EQ(out.text, each.after) << each.name;
  }
  const Edited counted = list(R"({"tools":[{"name":"a"},{"name":"b"},{"name":"c"}]})");
  EXPECT_EQ(counted.count.shown, 2U);
  EXPECT_EQ(counted.count.hidden, 1U);
}

TEST(Listing, what_cant_be_told_is_a_flaw) {
  for (const char* text : {R"({"tools":{}})",
                           R"({"tools":null})",
                           R"({"tools":"a"})",
                           R"({"tools":["a"]})",
                           R"({"tools":[{}]})",
                           R"({"tools":[{"name":"a"},{"name":7}]})",
                           R"({"tools":[{"name":""}]})",
                           R"({"tools":[{"name":["a"]}]})",
                           R"({"tools":[[{"name":"a"}]]})",
                           R"({"tools":[null]})",
                           R"({"Tools":[]})",
                           R"({"tool\u017f":[]})",
                           R"({"tools":[{"name":"a"}],"PROMPTS":[]})",
                           R"({"tools":[{"Name":"a"}]})",
                           R"({"resources":[{"name":"a"}]})",
                           R"({"resources":[{"uri":"docs://a","URI":"docs://b"}]})",
                           R"({"resourceTemplates":[{"uri":"a"}]})",
                           R"({"tools":[{"name":"a","name":"b"}]})",
                           R"({"tools":[],"tools":[]})",
                           R"({"tools":[],"ttlMs":"1"})",
                           R"({"tools":[],"ttlMs":-1})",
                           R"({"tools":[],"cacheScope":1})",
                           R"({"tools":[],"TTLMS":1})"}) {
    EXPECT_NE(list(text).flaw, "") << text;
  }
}

TEST(Listing, is_private_and_short_lived_to_caches) {
  EXPECT_EQ(list(R"({"tools":[],"ttlMs":300000,"cacheScope":"public"})", {true, 1000}).text,
            R"({"tools":[],"ttlMs":1000,"cacheScope":"private"})");
  EXPECT_EQ(list(R"({"tools":[],"ttlMs":999,"cacheScope":"private"})", {true, 1000}).text,
            R"({"tools":[],"ttlMs":999,"cacheScope":"private"})");
  EXPECT_EQ(list(R"({"tools":[],"ttlMs":1e9})", {false, 0}).text, R"({"tools":[],"ttlMs":0})");
  EXPECT_EQ(list(R"({"tools":[],"ttlMs":99999999999999999999})", {false, 5}).text, R"({"tools":[],"ttlMs":5})");
  EXPECT_EQ(list(R"({"tools":[]})", {true, 1000}).text, R"({"cacheScope":"private","ttlMs":0,"tools":[]})");
  EXPECT_EQ(list(R"({"tools":[]})", {false, 1000}).text, R"({"tools":[]})");
}

// Each name's end is told apart from others' by its last two letters: a new one needs its own.
TEST(Listing, each_name_is_found) {
  for (const char* name : {"tools", "skills", "prompts", "resources", "resourceTemplates"})
    EXPECT_TRUE(may_hold(Items::lists, std::string(40, ' ') + "\"" + name + "\":[")) << name;
  for (const char* name : {"resource_link", "resource"})
    EXPECT_TRUE(may_hold(Items::links, std::string(40, ' ') + "\"" + name + "\",")) << name;
  EXPECT_TRUE(may_hold(Items::completions, std::string(40, ' ') + "\"completion\":"));
  for (const char* name : {"taskId", "taskIds"})
    EXPECT_TRUE(may_hold(Items::tasks, std::string(40, ' ') + "\"" + name + "\":")) << name;
}

constexpr unsigned lists_and_more = Items::lists | Items::links | Items::completions;

TEST(Listing, the_look_before_reading_misses_no_list) {
  for (const char* text : {R"({"tools":[)", R"({"x":1,"prompts" :)", R"("resources")", R"("resourceTemplates":)",
                           R"("TOOLS")", R"("tool\u0073")", R"("\u0074ools")", "\"tool\xC5\xBF\"", R"("tool\u017F")",
                           R"("resource_link")", R"("type":"resource")", R"("completion")"}) {
    EXPECT_TRUE(may_hold(lists_and_more, text)) << text;
    for (std::size_t before = 0; before < 130; ++before)
      ASSERT_TRUE(may_hold(lists_and_more, std::string(before, 'x') + text)) << text << " behind " << before;
  }
  for (const char* text : {R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})",
                           R"("tool")", R"("arguments")", R"("status")", R"("\n\u001b\u00e9\u20ac")", "", "\"", "x"})
    EXPECT_FALSE(may_hold(lists_and_more, text)) << text;
  EXPECT_FALSE(may_hold(Items::lists, R"({"type":"resource","x":"completion"})"));
  for (const char* text : {R"({"taskId":)", R"("taskIds")", R"("TASKID")", "\"tas\xE2\x84\xAAId\"", R"(task\u0049d)"})
    for (std::size_t before = 0; before < 130; ++before)
      ASSERT_TRUE(may_hold(Items::tasks, std::string(before, 'x') + text)) << text << " behind " << before;
  for (const char* text : {R"({"jsonrpc":"2.0","id":7,"method":"x"})", R"("tasks")", R"("kid")", "\xE8\x84\xAA"})
    EXPECT_FALSE(may_hold(Items::tasks, text)) << text;
}

Edited link(const std::string& text) { return edited(text, edit_links); }

TEST(Links, to_what_isnt_shown_are_taken_out) {
  const std::string shown = R"({"type":"resource_link","uri":"docs://a","name":"A"})";
  const std::string hidden = R"({"type":"resource_link","uri":"docs://b","name":"B"})";
  const std::string embedded = R"({"type":"resource","resource":{"uri":"docs://b","text":"secret"}})";
  const std::string text = R"({"type":"text","text":"t"})";
  const auto content = [](const std::string& blocks) { return R"({"content":[)" + blocks + R"(],"isError":false})"; };
  EXPECT_EQ(link(content(text + "," + hidden + "," + shown + "," + embedded)).text, content(text + "," + shown));
  const auto prompt = [](const std::string& messages) { return R"({"messages":[)" + messages + "]}"; };
  const auto message = [](const std::string& block) { return R"({"role":"user","content":)" + block + "}"; };
  EXPECT_EQ(link(prompt(message(text) + "," + message(embedded))).text, prompt(message(text)));
  for (const char* odd : {R"({"content":{}})", R"({"content":["x"]})", R"({"content":[{"type":"resource"}]})",
                          R"({"content":[{"type":"resource","resource":{"text":"x"}}]})",
                          R"({"content":[{"Type":"resource_link","uri":"docs://b"}]})", R"({"Content":[]})",
                          R"({"content":[{"type":"resource_link","uri":7}]})", R"({"messages":[{"Content":{}}]})"})
    EXPECT_NE(link(odd).flaw, "") << odd;
}

TEST(Completions, name_nothing_that_isnt_shown) {
  const auto complete = [](const std::string& text) { return edited(text, edit_completion); };
  EXPECT_EQ(complete(R"({"completion":{"values":["hidden.tool","x","a"],"total":10,"hasMore":true}})").text,
            R"({"completion":{"values":["x","a"],"total":9,"hasMore":true}})");
  EXPECT_EQ(complete(R"({"completion":{"values":["x"]}})").text, R"({"completion":{"values":["x"]}})");
  for (const char* odd : {R"({"completion":[]})", R"({"completion":{"values":[7]}})", R"({"completion":{"Values":[]}})",
                          R"({"completion":{"values":["hidden"],"total":0}})"})
    EXPECT_NE(complete(odd).flaw, "") << odd;
}

TEST(Splices, a_member_goes_with_its_comma) {
  const auto without = [](const std::string& text, std::size_t index) {
    json::Document document;
    const auto root = document.read(text, {});
    Splices splices;
    const Range range = member_range(*root, index, text);
    splices.remove(range.at, range.size);
    return splices.apply(text).value_or("none");
  };
  EXPECT_EQ(without(R"({ "a" : {"x,y":[1,2]} })", 0), "{ }");
  EXPECT_EQ(without(R"({"a":"," , "b\u00e9,":2})", 0), R"({ "b\u00e9,":2})");
  EXPECT_EQ(without(R"({"a":1 , "b,":[{"c":2}] })", 1), R"({"a":1 })");
  EXPECT_EQ(without(R"({"a":1,"b":2,"c":3})", 1), R"({"a":1,"c":3})");
}

TEST(Splices, leave_every_other_byte) {
  const auto apply = [](std::vector<std::tuple<std::size_t, std::size_t, std::string>> list) {
    Splices splices;
    for (auto& [at, size, text] : list) splices.replace(at, size, text);
    return splices.apply("0123456789").value_or("none");
  };
  EXPECT_EQ(apply({}), "0123456789");
  EXPECT_EQ(apply({{5, 2, "x"}, {0, 0, "a"}, {0, 0, "b"}, {10, 0, "z"}}), "ab01234x789z");
  EXPECT_EQ(apply({{2, 6, ""}, {3, 2, "x"}, {4, 0, "y"}, {2, 3, ""}}), "0189") << "what is taken out goes as a whole";
  EXPECT_EQ(apply({{2, 4, "x"}, {3, 1, "y"}}), "none") << "one within another that stays";
  EXPECT_EQ(apply({{2, 4, ""}, {4, 4, ""}}), "none");
  EXPECT_EQ(apply({{9, 2, ""}}), "none");
}

}  // namespace
