#include <cstring>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agw/json/document.h"
#include "agw/json/scalar.h"

namespace agw::json {
namespace {

using namespace std::string_literals;

struct Refused {
  std::string name;
  std::string text;
  Error error;
};

void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.name; }

class RefusedText : public testing::TestWithParam<Refused> {};

TEST_P(RefusedText, is_refused) {
  Document document;
  const auto read = document.read(GetParam().text, Limits{.max_bytes = 4096, .max_depth = 8, .max_nodes = 64});
  ASSERT_FALSE(read) << GetParam().text;
  EXPECT_EQ(to_string(read.error()), to_string(GetParam().error));
}

std::string repeated(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

std::string name_of(const testing::TestParamInfo<Refused>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Grammar, RefusedText,
    testing::Values(
        Refused{"empty", "", Error::invalid}, Refused{"white_space", " \n\t\r", Error::invalid},
        Refused{"trailing_garbage", R"({"a":1}x)", Error::invalid},
        Refused{"trailing_quote", R"({"a":1}")", Error::invalid},
        Refused{"two_values", R"({"a":1}{"a":1})", Error::invalid}, Refused{"two_lines", "{}\n{}", Error::invalid},
        Refused{"two_scalars", "1 2", Error::invalid}, Refused{"value_and_comma", "{},", Error::invalid},
        Refused{"trailing_comma", R"({"a":1,})", Error::invalid},
        Refused{"leading_comma", R"({,"a":1})", Error::invalid}, Refused{"double_comma", "[1,,2]", Error::invalid},
        Refused{"array_trailing_comma", "[1,]", Error::invalid}, Refused{"only_comma", "[,]", Error::invalid},
        Refused{"no_comma", "[1 2]", Error::invalid},
        Refused{"no_comma_between_strings", R"(["a""b"])", Error::invalid},
        Refused{"no_colon", R"({"a" 1})", Error::invalid}, Refused{"no_value", R"({"a":})", Error::invalid},
        Refused{"no_value_at_end", R"({"a":)", Error::invalid}, Refused{"two_colons", R"({"a"::1})", Error::invalid},
        Refused{"key_alone", R"({"a"})", Error::invalid}, Refused{"value_without_key", "{1}", Error::invalid},
        Refused{"number_as_key", "{1:2}", Error::invalid}, Refused{"bare_key", "{a:1}", Error::invalid},
        Refused{"colon_in_array", R"(["a":1])", Error::invalid},
        Refused{"unclosed_object", R"({"a":"b")", Error::invalid}, Refused{"unclosed_array", "[1", Error::invalid},
        Refused{"unclosed_string", R"(["a)", Error::invalid}, Refused{"escaped_end", R"(["a\"])", Error::invalid},
        Refused{"lone_brace", "}", Error::invalid}, Refused{"lone_bracket", "]", Error::invalid},
        Refused{"wrong_brace", "[1}", Error::invalid}, Refused{"wrong_bracket", R"({"a":1])", Error::invalid},
        Refused{"crossed", R"({"a":[})", Error::invalid}, Refused{"single_quotes", R"({'a':1})", Error::invalid},
        Refused{"comment", "{/**/}", Error::invalid}, Refused{"line_comment", "{}//x", Error::invalid},
        Refused{"byte_order_mark", "\xEF\xBB\xBF{}", Error::invalid}, Refused{"form_feed", "[1,\f2]", Error::invalid},
        Refused{"vertical_tab", "[1\v]", Error::invalid},
        Refused{"substitute",
                "[\"a\"\x1A"
                "1]",
                Error::invalid},
        Refused{"no_break_space",
                "[\xC2\xA0"
                "1]",
                Error::invalid},
        Refused{"text_after_string", R"(["a"b])", Error::invalid},
        Refused{"string_after_number", R"([1"a, b"])", Error::invalid}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Tokens, RefusedText,
    testing::Values(
        Refused{"leading_zero", R"({"a":01})", Error::invalid},
        Refused{"negative_leading_zero", "[-01]", Error::invalid}, Refused{"plus_sign", R"({"a":+1})", Error::invalid},
        Refused{"minus_alone", "[-]", Error::invalid}, Refused{"two_minus", "[--1]", Error::invalid},
        Refused{"point_first", "[.5]", Error::invalid}, Refused{"point_last", "[1.]", Error::invalid},
        Refused{"two_points", "[1.2.3]", Error::invalid}, Refused{"exponent_empty", "[1e]", Error::invalid},
        Refused{"exponent_sign_only", "[1e+]", Error::invalid}, Refused{"exponent_fraction", "[1e1.5]", Error::invalid},
        Refused{"hexadecimal", "[0x10]", Error::invalid}, Refused{"separator", "[1_000]", Error::invalid},
        Refused{"suffix", "[1n]", Error::invalid}, Refused{"not_a_number", R"({"a":NaN})", Error::invalid},
        Refused{"infinity", "[Infinity]", Error::invalid}, Refused{"too_big", R"({"a":1e999})", Error::number},
        Refused{"too_small", "[1e-999]", Error::number},
        Refused{"beyond_64_bits", "[18446744073709551616]", Error::number},
        Refused{"below_64_bits", "[-9223372036854775809]", Error::number},
        Refused{"absurdly_long_number", "[" + std::string(65, '1') + "]", Error::number},
        Refused{"absurdly_long_exponent", "[1e" + std::string(70, '0') + "1]", Error::number},
        Refused{"literal_prefix", R"({"a":tru})", Error::invalid},
        Refused{"literal_longer", R"({"a":nullx})", Error::invalid},
        Refused{"literal_in_capitals", "[True]", Error::invalid},
        Refused{"literal_and_quote", R"([null"x"])", Error::invalid},
        Refused{"other_literal", "[undefined]", Error::invalid},
        Refused{"unknown_escape", R"({"a":"\x"})", Error::invalid},
        Refused{"octal_escape", R"(["\101"])", Error::invalid},
        Refused{"single_quote_escape", R"(["\'"])", Error::invalid},
        Refused{"short_unicode_escape", R"({"a":"\u12"})", Error::invalid},
        Refused{"bad_unicode_escape", R"(["\u12g4"])", Error::invalid},
        Refused{"capital_u", R"(["\U0041"])", Error::invalid},
        Refused{"braced_escape", R"(["\u{41}"])", Error::invalid},
        Refused{"signed_escape", R"(["\u+041"])", Error::invalid},
        Refused{"high_surrogate_alone", R"({"a":"\ud800"})", Error::invalid},
        Refused{"high_surrogate_and_text", R"(["\ud800x"])", Error::invalid},
        Refused{"high_surrogate_and_escape", R"(["\ud800\n"])", Error::invalid},
        Refused{"two_high_surrogates", R"(["\ud800\ud800"])", Error::invalid},
        Refused{"low_surrogate_alone", R"(["\udc00"])", Error::invalid},
        Refused{"surrogates_in_wrong_order", R"(["\udc00\ud800"])", Error::invalid},
        Refused{"surrogate_in_key", R"({"\ud800":1})", Error::invalid},
        Refused{"bad_escape_in_key", R"({"\q":1})", Error::invalid},
        Refused{"raw_newline", "{\"a\":\"\n\"}", Error::invalid}, Refused{"raw_tab", "[\"\t\"]", Error::invalid},
        Refused{"raw_control_in_key", "{\"a\x01\":1}", Error::invalid},
        Refused{"invalid_utf8", "{\"a\":\"\xC3\x28\"}", Error::utf8}, Refused{"utf8_alone", "[\"\x80\"]", Error::utf8},
        Refused{"utf8_cut", "[\"\xE2\x82\"]", Error::utf8}, Refused{"utf8_overlong", "[\"\xC0\xAF\"]", Error::utf8},
        Refused{"utf8_surrogate", "[\"\xED\xA0\x80\"]", Error::utf8},
        Refused{"utf8_beyond", "[\"\xF4\x90\x80\x80\"]", Error::utf8},
        Refused{"utf8_in_key", "{\"\xFF\":1}", Error::utf8}, Refused{"nul_in_string", "{\"a\":\"\0\"}"s, Error::nul},
        Refused{"nul_in_key", "{\"a\0\":1}"s, Error::nul}, Refused{"nul_between", "[1,\0 2]"s, Error::nul},
        Refused{"nul_behind", "{}\0"s, Error::nul}, Refused{"nul_before", "\0{}"s, Error::nul},
        Refused{"escaped_nul", R"({"a":"\u0000"})", Error::nul},
        Refused{"escaped_nul_in_key", R"({"a\u0000":1})", Error::nul}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Keys, RefusedText,
    testing::Values(
        Refused{"same", R"({"a":1,"a":2})", Error::key_duplicate},
        Refused{"same_and_empty", R"({"":1,"":2})", Error::key_duplicate},
        Refused{"same_nested", R"({"x":[{"a":1,"a":2}]})", Error::key_duplicate},
        Refused{"escaped_twin", R"({"a":1,"\u0061":2})", Error::key_duplicate},
        Refused{"escaped_slash", R"({"a/b":1,"a\/b":2})", Error::key_duplicate},
        Refused{"escaped_pair", R"({"😀":1,"\ud83d\ude00":2})", Error::key_duplicate},
        Refused{"case_twin", R"({"a":1,"A":2})", Error::key_lookalike},
        Refused{"case_twin_long", R"({"protocolVersionOfTheBody":1,"protocolversionOfTheBody":2})",
                Error::key_lookalike},
        Refused{"case_twin_escaped", R"({"a":1,"\u0041":2})", Error::key_lookalike},
        Refused{"long_s", R"({"params":1,"paramſ":2})", Error::key_lookalike},
        Refused{"kelvin", R"({"kind":1,"Kind":2})", Error::key_lookalike},
        Refused{"dotted_i", R"({"id":1,"İd":2})", Error::key_lookalike},
        Refused{"dotless_i", R"({"id":1,"ıd":2})", Error::key_lookalike},
        Refused{"full_width", R"({"id":1,"ｉd":2})", Error::key_lookalike},
        Refused{"full_width_capital", R"({"id":1,"ＩＤ":2})", Error::key_lookalike},
        Refused{"mathematical", R"({"id":1,"𝐢d":2})", Error::key_lookalike},
        Refused{"umlaut", R"({"größe":1,"GRÖßE":2})", Error::key_lookalike},
        Refused{"greek_sigma", R"({"σ":1,"ς":2})", Error::key_lookalike},
        Refused{"cyrillic", R"({"ж":1,"Ж":2})", Error::key_lookalike},
        Refused{"zero_width",
                "{\"id\":1,\"i\xE2\x80\x8B"
                "d\":2}",
                Error::key_lookalike},
        Refused{
            "among_many",
            R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"c":1})",
            Error::key_duplicate},
        Refused{
            "lookalike_among_many",
            R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"ſ":1,"S":1})",
            Error::key_lookalike}),
    name_of);

INSTANTIATE_TEST_SUITE_P(Size, RefusedText,
                         testing::Values(Refused{"too_deep", repeated("[", 9) + repeated("]", 9), Error::too_deep},
                                         Refused{"too_deep_objects", repeated(R"({"a":)", 9) + "1" + repeated("}", 9),
                                                 Error::too_deep},
                                         Refused{"too_deep_and_open", repeated("[", 2000), Error::too_deep},
                                         Refused{"too_many_values", "[" + repeated("1,", 70) + "1]", Error::too_large},
                                         Refused{"too_long", "[\"" + std::string(5000, 'x') + "\"]", Error::too_large}),
                         name_of);

struct Accepted {
  const char* name;
  std::string text;
};

TEST(Json, what_stands_beside_the_refused_is_read) {
  for (const Accepted& c :
       {Accepted{"scalar", "1"},
        {"string", R"("a")"},
        {"spaced", " \t\r\n{ } \n"},
        {"empty_array", "[ ]"},
        {"deepest", repeated("[", 8) + repeated("]", 8)},
        {"most_values", "[" + repeated("1,", 62) + "1]"},
        {"numbers",
         "[0,-0,1.5,-1.5e+10,1E-5,18446744073709551615,-9223372036854775808,123456789012345678901234567890.5,5e-324]"},
        {"escapes", R"(["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"])"},
        {"controls", R"(["\u0001\u001f\u007f"])"},
        {"escaped_backslash_at_end", R"(["\\"])"},
        {"odd_strings", R"(["{}[],:","//","\\\""])"},
        {"keys_that_differ", R"({"a":1,"b":2,"ab":3,"":4,"a ":5,"ä":6})"},
        {"compatible_digits", R"({"m2":1,"m²":2})"},
        {"cyrillic_twin", R"({"a":1,"а":2})"},
        {"same_key_in_two_objects", R"([{"a":1},{"a":1,"b":{"a":2}}])"}}) {
    Document document;
    const auto read = document.read(c.text, Limits{.max_bytes = 4096, .max_depth = 8, .max_nodes = 64});
    EXPECT_TRUE(read) << c.name << ": " << to_string(read.error());
    if (read) {
      EXPECT_FALSE(read->raw().empty()) << c.name;
    }
  }
}

TEST(Json, values_are_spans_of_the_original) {
  Document document;
  const std::string text = R"( {"id": 7 ,"s":"plain","e":"q\"\u00e9","l":[1, 2.50 ,true,null,{"k":{}}],"n":-12} )";
  const auto root = document.read(text, Limits{});
  ASSERT_TRUE(root);
  EXPECT_EQ(root->size(), 5U);
  EXPECT_EQ(root->raw(), std::string_view(text).substr(1, text.size() - 2));
  EXPECT_EQ(root->member("id")->raw(), "7");
  EXPECT_EQ(root->member("id")->integer(), 7);
  EXPECT_EQ(root->member("s")->text().data(), text.data() + text.find("plain"));
  EXPECT_EQ(root->member("s")->text(), "plain");
  EXPECT_EQ(root->member("s")->raw(), "\"plain\"");
  EXPECT_EQ(root->member("e")->text(), "q\"\xC3\xA9");
  EXPECT_EQ(root->member("e")->raw(), R"("q\"\u00e9")");
  const auto list = *root->member("l");
  EXPECT_EQ(list.raw(), R"([1, 2.50 ,true,null,{"k":{}}])");
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(list.child(1).raw(), "2.50");
  EXPECT_FALSE(list.child(1).integer());
  EXPECT_EQ(list.child(2).boolean(), true);
  EXPECT_FALSE(list.child(1).boolean());
  EXPECT_TRUE(list.child(3).is(Kind::null));
  EXPECT_TRUE(list.child(4).member("k")->is(Kind::object));
  EXPECT_EQ(list.child(4).member("k")->size(), 0U);
  EXPECT_EQ(root->member("n")->integer(), -12);
  EXPECT_FALSE(root->member("absent"));
  EXPECT_FALSE(root->member("s")->member("x"));
  EXPECT_FALSE(root->at({"l", "k"}));
}

TEST(Json, members_come_in_the_order_of_the_text) {
  Document document;
  const std::string text = R"({"b":[{"x":1},{"y":[2,3]}],"\u0061":{"c":1},"d":"e\n"})";
  const auto root = document.read(text, Limits{});
  ASSERT_TRUE(root);
  std::string keys;
  for (const Value member : *root) keys += std::string(member.key()) + ",";
  EXPECT_EQ(keys, "b,a,d,");
  EXPECT_EQ(root->child(1).key(), "a");
  EXPECT_EQ(root->at({"a", "c"})->integer(), 1);
  EXPECT_EQ(root->member("b")->child(1).member("y")->child(1).integer(), 3);
  int visited = 0;
  const Value scalar = *root->member("d");
  for ([[maybe_unused]] const Value none : scalar) ++visited;
  EXPECT_EQ(visited, 0);
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

TEST(Json, escapes_are_resolved_whenever_and_however_often_they_are_asked_for) {
  Document document;
  const std::string text = R"({"\u0061\n":"\"\\","b":["\u00e9x","\ud83d\ude00","plain"],"c":{"\u0064":"\t"}})";
  for (int round = 0; round < 2; ++round) {
    const auto root = document.read(text, {});
    ASSERT_TRUE(root);
    EXPECT_EQ(root->at({"c", "d"})->text(), "\t") << "the last one first";
    const Value list = *root->member("b");
    const std::string_view face = list.child(1).text();
    EXPECT_EQ(face, "\U0001F600");
    EXPECT_EQ(list.child(0).text(), "\u00e9x");
    EXPECT_EQ(list.child(2).text(), "plain");
    EXPECT_EQ(root->member("a\n")->text(), "\"\\");
    EXPECT_EQ(list.child(1).text().data(), face.data()) << "resolved once";
    EXPECT_EQ(root->child(0).key(), "a\n");
    EXPECT_EQ(face, "\U0001F600") << "what was resolved later lies elsewhere";
  }
}

TEST(Json, large_texts_between_small_ones) {
  Document document;
  for (const int elements : {1, 300'000, 2, 100'000, 3}) {
    std::string text = "[";
    for (int i = 0; i < elements; ++i) text += R"({"k\n":1},)";
    text.back() = ']';
    const auto root = document.read(text, Limits{});
    ASSERT_TRUE(root);
    ASSERT_EQ(root->size(), static_cast<std::size_t>(elements));
    EXPECT_EQ(root->child(root->size() - 1).member("k\n")->integer(), 1);
  }
}

/// Keys of one hash as many as a sender likes: case doesn't enter it, so all of these collide.
TEST(Json, many_keys_of_one_hash) {
  std::string text = "{";
  for (int i = 0; i < 1024; ++i) {
    text += '"';
    for (int bit = 0; bit < 10; ++bit) text += (i >> bit) % 2 == 0 ? "[" : "{";  // differ by the bit that marks case
    text += R"(":1,)";
  }
  text.back() = '}';
  Document document;
  ASSERT_TRUE(document.read(text, Limits{}));
  text.back() = ',';
  text += R"("[[[[[[[[[[":1})";
  EXPECT_EQ(document.read(text, Limits{}).error(), Error::key_duplicate);
}

/// The byte behind the text lies in a page that can't be read.
TEST(Json, no_byte_behind_the_text_is_read) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(static_cast<char*>(memory) + page, page, PROT_NONE), 0);
  Document document;
  for (std::size_t size = 0; size < 200; ++size) {
    for (const std::string& end : {"\"]"s, "\"   ]"s, "\",12]"s, "\\n\"]"s, "\",tru"s, "\\"s, ""s}) {
      const std::string text = "[\"" + std::string(size, 'x') + end;
      char* at = static_cast<char*>(memory) + page - text.size();
      std::memcpy(at, text.data(), text.size());
      EXPECT_EQ(document.read({at, text.size()}, Limits{}).has_value(), text.ends_with(']'));
    }
  }
  munmap(memory, 2 * page);
}

TEST(Json, lookalikes_of_a_name) {
  Document document;
  const std::string text = R"({"Method":1,"nаme":2,"argumentſ":3,"x":4})";  // the second has a Cyrillic letter
  const auto root = document.read(text, Limits{});
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->has_lookalike_of("method"));
  EXPECT_TRUE(root->has_lookalike_of("arguments"));
  EXPECT_FALSE(root->has_lookalike_of("name"));
  EXPECT_FALSE(root->has_lookalike_of("x"));
  EXPECT_FALSE(root->has_lookalike_of("id"));
  EXPECT_FALSE(root->member("x")->has_lookalike_of("x"));
  constexpr std::string_view names[] = {"id", "x", "arguments"};
  EXPECT_EQ(root->lookalike_among(Names(names)), "arguments");
}

TEST(Json, keys_are_folded) {
  struct Case {
    const char* key;
    const char* folded;
  };
  for (const Case& c : {Case{"", ""},
                        {"abc_1-/", "abc_1-/"},
                        {"ABC", "abc"},
                        {"paramſ", "params"},
                        {"\u212Aey", "key"},
                        {"İıIi", "iiii"},
                        {"ＡｂＣ", "abc"},
                        {"𝒂𝔸ⓐ", "aaa"},
                        {"ÄÖÜ", "äöü"},
                        {"ẞ", "ß"},
                        {"ΣΣς", "ςςς"},
                        {"Ж", "ж"},
                        {"日本", "日本"},
                        {"a\u00ADb\uFEFF", "ab"},
                        {"Ǆǅǆ", "ǆǆǆ"},
                        {"²½", "²½"}}) {
    EXPECT_EQ(fold_key(c.key), c.folded) << c.key;
    EXPECT_EQ(fold_key(c.folded), c.folded) << "folding again changes it";
  }
}

TEST(Json, integers_in_the_interoperable_range) {
  struct Case {
    const char* text;
    std::optional<std::int64_t> value;
    bool written_as_integer;
  };
  for (const Case& c : {Case{"9007199254740991", 9007199254740991, true},
                        {"9007199254740992", std::nullopt, true},
                        {"-0", std::nullopt, true},
                        {"1.0", std::nullopt, false},
                        {"1e3", std::nullopt, false},
                        {"0", 0, true},
                        {"-9007199254740991", -9007199254740991, true},
                        {"18446744073709551615", std::nullopt, true},
                        {"\"1\"", std::nullopt, false},
                        {"null", std::nullopt, false}}) {
    Document document;
    const std::string text = std::string("[") + c.text + "]";
    const auto root = document.read(text, Limits{});
    ASSERT_TRUE(root) << c.text;
    EXPECT_EQ(root->child(0).integer(), c.value) << c.text;
    EXPECT_EQ(root->child(0).is_written_as_integer(), c.written_as_integer) << c.text;
  }
}

TEST(JsonScalar, the_text_that_a_policy_compares) {
  struct Case {
    const char* text;
    std::optional<std::string> scalar;
  };
  for (const Case& c : {Case{R"("T-1")", "T-1"},
                        {R"("\u0054-1")", "T-1"},
                        {"7", "7"},
                        {"-7", "-7"},
                        {"0", "0"},
                        {"-0", std::nullopt},
                        {"1.5", std::nullopt},
                        {"1e3", std::nullopt},
                        {"9007199254740993", std::nullopt},
                        {R"("")", std::nullopt},
                        {"true", std::nullopt},
                        {"null", std::nullopt},
                        {"[1]", std::nullopt},
                        {"{}", std::nullopt}}) {
    Document document;
    const auto value = document.read(c.text, Limits{});
    ASSERT_TRUE(value) << c.text;
    std::string scratch;
    const auto text = scalar_text(*value, scratch);
    EXPECT_EQ(text.has_value() ? std::optional<std::string>(*text) : std::nullopt, c.scalar) << c.text;
  }
}

TEST(JsonScalar, media_types) {
  for (const char* good : {"application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"",
                           " application/json ; charset=utf-8 "})
    EXPECT_TRUE(is_json_media_type(good)) << good;
  for (const char* bad : {"", ";", "text/plain", "application/json; charset=utf-16", "application/json; charset=latin1",
                          "application/jsonp", "application/json-patch+json", "application/json, text/plain",
                          "text/plain; a=application/json", "application/json; charset=utf-8; charset=utf-7",
                          "application/json charset=utf-8"})
    EXPECT_FALSE(is_json_media_type(bad)) << bad;
}

}  // namespace
}  // namespace agw::json
