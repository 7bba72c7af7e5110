#include <string>

#include <gtest/gtest.h>

#include "agw/json/tree.h"

namespace agw::json {
namespace {

using namespace std::string_literals;

TEST(Tree, only_strict_json_is_read) {
  struct Case {
    const char* name;
    std::string text;
    bool good;
  };
  for (const Case& c : {Case{"an object", R"({"a":[1,"x",null,true]})", true},
                        Case{"a list", "[]", true},
                        Case{"white space around", " {} \n", true},
                        Case{"nothing", "", false},
                        Case{"a number alone", "1", false},
                        Case{"half", R"({"a":1)", false},
                        Case{"something behind it", "{} x", false},
                        Case{"two values", "{}{}", false},
                        Case{"a key twice", R"({"a":1,"a":2})", false},
                        Case{"a key twice, deep", R"({"b":[{"a":1,"a":2}]})", false},
                        Case{"a comment", "{} // x", false},
                        Case{"a trailing comma", R"({"a":1,})", false},
                        Case{"single quotes", "{'a':1}", false},
                        Case{"NaN", R"({"a":NaN})", false},
                        Case{"broken UTF-8", "{\"a\":\"\xC3\x28\"}", false},
                        Case{"a NUL in a string", "{\"a\":\"x\0y\"}"s, false},
                        Case{"a NUL after a number", "{\"a\":1\0}"s, false},
                        Case{"a NUL in a number's middle", "{\"a\":1\0002}"s, false},
                        Case{"a NUL at the end", "{}\0"s, false},
                        Case{"an escaped NUL", R"({"a":"\u0000"})", false},
                        Case{"an escaped NUL in a key", R"({"a\u0000":1})", false},
                        Case{"half a surrogate pair", R"({"a":"\ud800"})", false}})
    EXPECT_EQ(read_tree(c.text) != nullptr, c.good) << c.name;
}

TEST(Tree, says_where_it_ends) {
  TreeError error;
  EXPECT_EQ(read_tree("{\n\"a\":\n}", &error), nullptr);
  EXPECT_EQ(error.line, 3);
  EXPECT_FALSE(error.message.empty());
  EXPECT_EQ(read_tree("{\n\n\"a\":1\0}"s, &error), nullptr);
  EXPECT_EQ(error.line, 3);
  EXPECT_NE(error.message.find("NUL"), std::string::npos);
}

}  // namespace
}  // namespace agw::json
