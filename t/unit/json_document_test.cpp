#include <gtest/gtest.h>

#include "agw/json/document.h"
#include "agw/json/scalar.h"

namespace agw::json {
namespace {

struct Refused {
  const char* name;
  std::string text;
  Error error;
};

class RefusedText : public testing::TestWithParam<Refused> {};

TEST_P(RefusedText, is_refused) {
  Document document;
  const auto read = document.read(GetParam().text, Limits{.max_bytes = 4096, .max_depth = 8, .max_nodes = 64});
  ASSERT_FALSE(read) << GetParam().text;
  EXPECT_EQ(to_string(read.error()), to_string(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(Json, RefusedText, testing::Values(
    Refused{"empty", "", Error::invalid},
    Refused{"white_space", "  ", Error::invalid},
    Refused{"bare_scalar", "1", Error::invalid},
    Refused{"trailing_garbage", R"({"a":1}x)", Error::invalid},
    Refused{"two_values", R"({"a":1}{"a":1})", Error::invalid},
    Refused{"trailing_comma", R"({"a":1,})", Error::invalid},
    Refused{"unclosed", R"({"a":"b")", Error::invalid},
    Refused{"single_quotes", R"({'a':1})", Error::invalid},
    Refused{"unknown_escape", R"({"a":"\x"})", Error::invalid},
    Refused{"bad_unicode_escape", R"({"a":"\u12"})", Error::invalid},
    Refused{"raw_control_character", "{\"a\":\"\n\"}", Error::invalid},
    Refused{"byte_order_mark", "\xEF\xBB\xBF{}", Error::invalid},
    Refused{"leading_zero", R"({"a":01})", Error::number},
    Refused{"plus_sign", R"({"a":+1})", Error::invalid},
    Refused{"literal_prefix", R"({"a":tru})", Error::invalid},
    Refused{"literal_longer", R"({"a":nullx})", Error::invalid},
    Refused{"not_a_number", R"({"a":NaN})", Error::invalid},
    Refused{"infinite", R"({"a":1e999})", Error::number},
    Refused{"absurdly_long_number", R"({"a":)" + std::string(100, '1') + "}", Error::number},
    Refused{"invalid_utf8", "{\"a\":\"\xC3\x28\"}", Error::utf8},
    Refused{"lone_surrogate", R"({"a":"\ud800"})", Error::invalid},
    Refused{"nul_byte", std::string("{\"a\":\"\0\"}", 9), Error::nul},
    Refused{"escaped_nul", R"({"a":"\u0000"})", Error::nul},
    Refused{"escaped_nul_in_a_key", R"({"a\u0000":1})", Error::nul},
    Refused{"same_key", R"({"a":1,"a":2})", Error::key_duplicate},
    Refused{"same_key_nested", R"({"x":[{"a":1,"a":2}]})", Error::key_duplicate},
    Refused{"escaped_twin", R"({"a":1,"\u0061":2})", Error::key_duplicate},
    Refused{"case_twin", R"({"a":1,"A":2})", Error::key_duplicate},
    Refused{"long_s_twin", R"({"params":1,"paramſ":2})", Error::key_duplicate},
    Refused{"kelvin_twin", R"({"kind":1,"Kind":2})", Error::key_duplicate},
    Refused{"full_width_twin", R"({"id":1,"ｉd":2})", Error::key_duplicate},
    Refused{"zero_width_twin", "{\"id\":1,\"i\xE2\x80\x8B" "d\":2}", Error::key_duplicate},
    Refused{"twin_among_many", R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"c":1})", Error::key_duplicate},
    Refused{"too_deep", "[[[[[[[[[1]]]]]]]]]", Error::too_deep},
    Refused{"too_many_values", "[" + [] { std::string s; for (int i = 0; i < 70; ++i) s += "1,"; return s; }() + "1]", Error::too_large},
    Refused{"too_long", "[\"" + std::string(5000, 'x') + "\"]", Error::too_large}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Json, values_are_spans_of_the_original) {
  Document document;
  const std::string text = R"( {"id": 7 ,"s":"plain","e":"q\"\u00e9","l":[1, 2.50 ,true,null,{"k":{}}],"n":-12} )";
  const auto root = document.read(text, Limits{});
  ASSERT_TRUE(root);
  EXPECT_EQ(root->size(), 5U);
  EXPECT_EQ(root->member("id")->raw(), "7");
  EXPECT_EQ(root->member("id")->integer(), 7);
  EXPECT_GE(root->member("s")->text().data(), text.data());
  EXPECT_LE(root->member("s")->text().data(), text.data() + text.size());
  EXPECT_EQ(root->member("s")->text(), "plain");
  EXPECT_EQ(root->member("s")->raw(), "\"plain\"");
  EXPECT_EQ(root->member("e")->text(), "q\"\xC3\xA9");
  const auto list = *root->member("l");
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(list.child(1).raw(), "2.50");
  EXPECT_FALSE(list.child(1).integer());
  EXPECT_EQ(list.child(2).boolean(), true);
  EXPECT_TRUE(list.child(3).is(Kind::null));
  EXPECT_TRUE(list.child(4).member("k")->is(Kind::object));
  EXPECT_EQ(root->member("n")->integer(), -12);
  EXPECT_FALSE(root->member("absent"));
  EXPECT_FALSE(root->at({"l", "k"}));
}

TEST(Json, a_document_is_used_again) {
  Document document;
  for (int i = 0; i < 100; ++i) {
    const std::string text = "{\"a\":\"" + std::string(static_cast<std::size_t>(i) * 7, 'x') + "\"}";
    const auto root = document.read(text, Limits{});
    ASSERT_TRUE(root);
    EXPECT_EQ(root->member("a")->text().size(), static_cast<std::size_t>(i) * 7);
    EXPECT_FALSE(document.read("{", Limits{}));
  }
}

TEST(Json, lookalikes_of_a_name) {
  Document document;
  const std::string text = R"({"Method":1,"nаme":2,"argumentſ":3,"x":4})";  // the second has a Cyrillic letter
  const auto root = document.read(text, Limits{});
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->has_lookalike_of("method"));
  EXPECT_TRUE(root->has_lookalike_of("arguments"));
  EXPECT_FALSE(root->has_lookalike_of("x"));
  EXPECT_FALSE(root->has_lookalike_of("id"));
}

TEST(Json, integers_in_the_interoperable_range) {
  struct Case { const char* text; std::optional<std::int64_t> value; };
  for (const Case& c : {Case{"9007199254740991", 9007199254740991}, {"9007199254740992", std::nullopt}, {"-0", std::nullopt},
                        {"1.0", std::nullopt}, {"1e3", std::nullopt}, {"0", 0}, {"-9007199254740991", -9007199254740991}}) {
    Document document;
    const std::string text = std::string("[") + c.text + "]";
    const auto root = document.read(text, Limits{});
    ASSERT_TRUE(root) << c.text;
    EXPECT_EQ(root->child(0).integer(), c.value) << c.text;
  }
}

TEST(Json, media_types) {
  EXPECT_TRUE(is_json_media_type("application/json"));
  EXPECT_TRUE(is_json_media_type("Application/JSON; charset=UTF-8"));
  EXPECT_FALSE(is_json_media_type(""));
  EXPECT_FALSE(is_json_media_type("text/plain"));
  EXPECT_FALSE(is_json_media_type("application/json; charset=utf-16"));
  EXPECT_FALSE(is_json_media_type("application/jsonp"));
}

}  // namespace
}  // namespace agw::json
