// Answers of tools that list other tools.
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "agw/json/escapes.h"
#include "agw/response/tool_listing.h"

namespace {

using namespace agw;
using namespace agw::response;
using Text = ToolListing::Text;

/// Shows what begins with `a`; what begins with `h` exists and isn't shown.
class Shown final : public Sight {
 public:
  [[nodiscard]] bool shows(Listed what, std::string_view name) const override {
    return what == Listed::tool && name.starts_with('a');
  }
  [[nodiscard]] bool hides(Listed, std::string_view name) const override { return name.starts_with('h'); }
};

struct Edited {
  std::string text;
  Count count;
};

/// What goes on; `flaw: …` where nothing does.
Edited edited(const std::string& result, const ToolListing& listing, Certainty certainty = Certainty::own) {
  json::Document document;
  json::Document inner;
  json::Limits limits;
  limits.keys_depth = acted_depth(listing) - 1;
  limits.any_values = true;
  const auto root = document.read(result, limits);
  if (!root) return {"flaw: " + std::string(json::to_string(root.error())), {}};
  Splices splices;
  Edited out;
  const auto flaw = edit_tool_listing(*root, result, listing, certainty, inner, Shown(), splices, out.count);
  if (flaw) return {"flaw: " + std::string(*flaw), {}};
  out.text = splices.apply(result).value_or("contradiction");
  return out;
}

ToolListing of(std::vector<std::string> list, std::vector<std::string> name, Text text = Text::same,
               bool errors_pass = false) {
  return {std::move(list), std::move(name), text, errors_pass};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}
std::string block(const std::string& text) { return R"({"type":"text","text":)" + quoted(text) + "}"; }
std::string content(const std::string& blocks) { return R"("content":[)" + blocks + "]"; }
std::string structured(const std::string& value) { return R"("structuredContent":)" + value; }

const std::string before = R"({"name":"a","x":"\u00e9"},{ "name" : "h" }, {"name":"b"},{"name":"ab"})";
const std::string after = R"({"name":"a","x":"\u00e9"},{"name":"ab"})";

TEST(ToolListing, both_forms_are_filtered_and_the_rest_stays) {
  struct Case {
    std::string name;
    ToolListing listing;
    std::string before;
    std::string after;
  };
  const auto whole = [](const std::string& items) { return R"({ "tools": [)" + items + R"(], "total" : 4 })"; };
  const Case cases[] = {
      {"structured alone", of({"tools"}, {"name"}), "{" + structured(whole(before)) + "}",
       "{" + structured(whole(after)) + "}"},
      {"text alone", of({"tools"}, {"name"}), "{" + content(block(whole(before))) + "}",
       "{" + content(block(whole(after))) + "}"},
      {"both", of({"tools"}, {"name"}), "{" + content(block(whole(before))) + "," + structured(whole(before)) + "}",
       "{" + content(block(whole(after))) + "," + structured(whole(after)) + "}"},
      {"nothing is hidden", of({"tools"}, {"name"}), "{" + content(block(whole(after))) + "}",
       "{" + content(block(whole(after))) + "}"},
      {"a list in another place", of({"found", "all"}, {"tool", "name"}),
       "{" + structured(R"({"found":{"all":[{"tool":{"name":"h"}},{"tool":{"name":"a"}}]}})") + "}",
       "{" + structured(R"({"found":{"all":[{"tool":{"name":"a"}}]}})") + "}"},
      {"the list itself", of({}, {"name"}), "{" + structured("[" + before + "]") + "}",
       "{" + structured("[" + after + "]") + "}"},
      {"a text that is the list", of({"result"}, {"name"}, Text::array),
       "{" + content(block("[" + before + "]")) + "," + structured(R"({"result":[)" + before + "]}") + "}",
       "{" + content(block("[" + after + "]")) + "," + structured(R"({"result":[)" + after + "]}") + "}"},
      {"a text for each", of({"result"}, {"name"}, Text::items),
       "{" + content(block(R"({"name":"h"})") + "," + block(R"({"name":"a"})") + ", " + block(R"({"name":"b"})")) + "}",
       "{" + content(block(R"({"name":"a"})")) + "}"},
      {"bare names", of({"result"}, {}, Text::items),
       "{" + content(block("a") + "," + block("h")) + "," + structured(R"({"result":["a","h"]})") + "}",
       "{" + content(block("a")) + "," + structured(R"({"result":["a"]})") + "}"},
      {"no hits", of({"result"}, {"name"}, Text::items), "{" + content("") + "}", "{" + content("") + "}"},
      {"all hidden", of({"tools"}, {}), "{" + content(block(R"({"tools":["h","b"]})")) + "}",
       "{" + content(block(R"({"tools":[]})")) + "}"},
      {"it asks first", of({"tools"}, {}), R"({"resultType":"input_required","requestState":"x"})",
       R"({"resultType":"input_required","requestState":"x"})"},
      {"an error that may pass", of({"tools"}, {}, Text::same, true),
       R"({"isError":true,)" + content(block("no such category")) + "}",
       R"({"isError":true,)" + content(block("no such category")) + "}"},
      {"an error with the list all the same", of({"tools"}, {"name"}, Text::same, true),
       R"({"isError":true,)" + structured(whole(before)) + "}", R"({"isError":true,)" + structured(whole(after)) + "}"},
  };
  for (const Case& one : cases) EXPECT_EQ(edited(one.before, one.listing).text, one.after) << one.name;
}

TEST(ToolListing, escapes_of_a_text_stay_its_own) {
  const ToolListing listing = of({"t"}, {});
  const std::string raw = R"({"content":[{"type":"text","text":"{\u0022t\u0022:[\"a\",\ud83d\ude00\u00e9"}]})";
  EXPECT_TRUE(edited(raw, listing).text.starts_with("flaw"));
  const std::string good =
      R"({"content":[{"text":"{\u0022t\u0022 :[\u0022a\ud83d\ude00\u00e9\u0022,\n\"h\/\" ,\"ab\"]}",)"
      R"("type":"text"}]})";
  EXPECT_EQ(edited(good, listing).text,
            R"({"content":[{"text":"{\u0022t\u0022 :[\u0022a\ud83d\ude00\u00e9\u0022,\n\"ab\"]}","type":"text"}]})");
}

TEST(ToolListing, counted_once) {
  const std::string both =
      "{" + content(block(R"({"tools":["a","h"]})")) + "," + structured(R"({"tools":["a","h","b"]})") + "}";
  const Count count = edited(both, of({"tools"}, {})).count;
  EXPECT_EQ(count.shown, 1U);
  EXPECT_EQ(count.hidden, 2U);
}

TEST(ToolListing, what_is_not_as_declared_does_not_go_on) {
  const ToolListing tools = of({"tools"}, {"name"});
  const std::string good = structured(R"({"tools":[]})");
  struct Case {
    std::string name;
    std::string result;
    ToolListing listing;
  };
  const Case cases[] = {
      {"no object", "[]", tools},
      {"nothing", "{}", tools},
      {"no content", "{" + content("") + "}", tools},
      {"prose", "{" + content(block("a, h")) + "}", tools},
      {"prose beside", "{" + content(block("found:")) + "," + good + "}", tools},
      {"no list", "{" + structured("{}") + "}", tools},
      {"another type", "{" + structured(R"({"tools":{"h":1}})") + "}", tools},
      {"null", "{" + structured("null") + "}", tools},
      {"a list where an object is declared", "{" + structured(R"([{"name":"h"}])") + "}", tools},
      {"no name", "{" + structured(R"({"tools":[{"title":"h"}]})") + "}", tools},
      {"an empty name", "{" + structured(R"({"tools":[{"name":""}]})") + "}", tools},
      {"a number for a name", "{" + structured(R"({"tools":[{"name":7}]})") + "}", tools},
      {"bare names", "{" + structured(R"({"tools":["h"]})") + "}", tools},
      {"a look-alike of the list", "{" + structured(R"({"tools":[],"Tools":[{"name":"h"}]})") + "}", tools},
      {"a look-alike of a name", "{" + structured(R"({"tools":[{"name":"a","NAME":"h"}]})") + "}", tools},
      {"a name twice", "{" + structured(R"({"tools":[{"name":"a","name":"h"}]})") + "}", tools},
      {"a name twice in a text", "{" + content(block(R"({"tools":[{"name":"a","name":"h"}]})")) + "}", tools},
      {"a look-alike of the content", R"({"Content":[],)" + good + "}", tools},
      {"a look-alike of a block's text", "{" + content(R"({"type":"text","Text":"h","text":"{\"tools\":[]}"})") + "}",
       tools},
      {"content that is none", R"({"content":"h",)" + good + "}", tools},
      {"a block that is none", "{" + content(R"("h")") + "," + good + "}", tools},
      {"a text that is none", "{" + content(R"({"type":"text","text":7})") + "," + good + "}", tools},
      {"an image", "{" + content(R"({"type":"image","data":"aA==","mimeType":"image/png"})") + "," + good + "}", tools},
      {"a link", "{" + content(R"({"type":"resource_link","uri":"tool://h"})") + "," + good + "}", tools},
      {"an error", R"({"isError":true,)" + content(block("did you mean h?")) + "}", tools},
      {"it asks, and lists", R"({"resultType":"input_required",)" + structured(R"({"x":["h"]})") + "}", tools},
      {"half of a character", "{" + content(R"({"type":"text","text":"{\"tools\":[],\"x\":\"\ud800\"}"})") + "}",
       tools},
      {"an object for a text that is the list", "{" + content(block(R"({"tools":[]})")) + "}",
       of({"tools"}, {"name"}, Text::array)},
      {"an element without a name as a text", "{" + content(block(R"({"title":"h"})")) + "}",
       of({"tools"}, {"name"}, Text::items)},
      {"an empty text for a name", "{" + content(block("")) + "}", of({"tools"}, {}, Text::items)},
  };
  for (const Case& one : cases)
    EXPECT_TRUE(edited(one.result, one.listing).text.starts_with("flaw: "))
        << one.name << edited(one.result, one.listing).text;
}

TEST(ToolListing, what_may_be_another_tools_is_taken_by_its_form) {
  const ToolListing tools = of({"tools"}, {"name"});
  const auto by_form = [](const std::string& result, const ToolListing& listing) {
    return edited(result, listing, Certainty::by_form).text;
  };
  EXPECT_EQ(by_form("{" + structured(R"({"tools":[{"name":"h"},7,{"name":"a"},{"x":1}]})") + "}", tools),
            "{" + structured(R"({"tools":[7,{"name":"a"},{"x":1}]})") + "}");
  EXPECT_EQ(by_form("{" + content(block("prose") + "," + block(R"({"tools":[{"name":"h"}]})")) + "}", tools),
            "{" + content(block("prose") + "," + block(R"({"tools":[]})")) + "}");
  EXPECT_EQ(by_form("{" + content(block("b") + "," + block("h")) + "}", of({}, {}, Text::items)),
            "{" + content(block("b")) + "}")
      << "any text could be a name: only that of a tool that exists is one";
  for (const std::string& other :
       {std::string("{}"), std::string("7"), "{" + content(R"({"type":"image"},"x")") + "}",
        "{" + structured(R"({"Tools":[],"other":[{"name":"h"}]})") + "}", std::string(R"({"content":7})")})
    EXPECT_EQ(by_form(other, tools), other);
}

TEST(ToolListing, where_characters_stand_in_a_string) {
  const std::string raw = R"("a\nb\u00e9c\ud83d\ude00d\ud800e")";
  //        text:             a \n b é(2) c 😀(4) d half(3) e
  const std::vector<std::size_t> places{0, 1, 2, 3, 5, 6, 10, 11, 14, 15};
  const std::vector<std::size_t> expected{1, 2, 4, 5, 11, 12, 24, 25, 31, 32};
  EXPECT_EQ(json::raw_places(raw, places), expected);
  EXPECT_EQ(json::raw_places(R"("")", std::vector<std::size_t>{0}), std::vector<std::size_t>{1});
  EXPECT_TRUE(json::raw_places(R"("ab")", std::vector<std::size_t>{7}).empty());
}

}  // namespace
