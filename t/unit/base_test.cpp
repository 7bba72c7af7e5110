#include <sstream>
#include <type_traits>

#include <gtest/gtest.h>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/base/secret.h"
#include "agw/base/time.h"

namespace agw {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(SecretTest, cant_be_printed_copied_or_compared_by_accident) {
  EXPECT_FALSE(Printable<Secret>);
  EXPECT_FALSE(std::is_copy_constructible_v<Secret>);
  EXPECT_FALSE(std::equality_comparable<Secret>);
  Secret secret(std::string("hunter2"));
  const Secret moved(std::move(secret));
  EXPECT_TRUE(secret.empty());  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(moved.reveal(), "hunter2");
}

TEST(Base64, round_trips_and_is_strict) {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\xfd"}) {
    EXPECT_EQ(base64url_decode(base64url_encode(text)), text);
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64url_encode("\xff\xfe"), "__4");
  for (const char* bad : {"Zg==", "Z", "Zm9v YmFy", "Zm9v+/", "Zh", "Zm9vY"})
    EXPECT_FALSE(base64url_decode(bad)) << bad;
  for (const char* bad : {"Zg", "Zg=", "Zg===", "Z===", "Zh==", "_w=="}) EXPECT_FALSE(base64_decode(bad)) << bad;
}

TEST(Parts, one_form_for_each_id) {
  struct Case {
    std::string bytes, encoded;
  };
  for (const Case& c : {Case{"mira", "mira"},
                        {"a|b", "a%7Cb"},
                        {"a:b", "a%3Ab"},
                        {"https://x/y", "https%3A%2F%2Fx%2Fy"},
                        {"{t}", "%7Bt%7D"},
                        {"*", "%2A"},
                        {"%", "%25"},
                        {"\xC3\xA9", "%C3%A9"},
                        {"a.b_c@d-e", "a.b_c@d-e"},
                        {"", ""}}) {
    EXPECT_EQ(encode_part(c.bytes), c.encoded);
    EXPECT_EQ(decode_part(c.encoded), c.bytes);
    EXPECT_TRUE(is_encoded_part(c.encoded));
  }
  for (const char* bad : {"a|b", "%7c", "%41", "%", "%4", "a b", "*"}) {
    EXPECT_FALSE(is_encoded_part(bad)) << bad;
    EXPECT_FALSE(decode_part(bad)) << bad;
  }
}

TEST(JsonText, is_one_line_whatever_came_in) {
  struct Case {
    std::string in, out;
  };
  for (const Case& c : {Case{"plain", "plain"},
                        {"a\"b\\c", "a\\\"b\\\\c"},
                        {"\n\r\t", "\\n\\r\\t"},
                        {std::string("\0", 1), "\xEF\xBF\xBD"},
                        {"\x1b[31m", "\\u001b[31m"},
                        {"\x7f", "\\u007f"},
                        {"\xC3\xA9", "\xC3\xA9"},
                        {"\xff", "\xEF\xBF\xBD"},
                        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                        {"\xE2\x80\xA8", "\\u2028"},
                        {"\xC2\x85", "\\u0085"},
                        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
                        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}}) {
    std::string out;
    append_json_escaped(out, c.in);
    EXPECT_EQ(out, c.out);
    EXPECT_TRUE(is_utf8(out));
  }
}

TEST(Time, rfc3339) {
  const auto time = parse_rfc3339("2026-11-20T14:22:11.304Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_rfc3339(*time), "2026-11-20T14:22:11.304Z");
  EXPECT_EQ(parse_rfc3339("2026-11-20T15:22:11.304+01:00"), time);
  EXPECT_EQ(to_unix(*parse_rfc3339("1970-01-01T00:00:00Z")), 0);
  EXPECT_TRUE(parse_rfc3339("0000-01-01T00:00:00Z") && parse_rfc3339("9999-12-31T23:59:59.999Z"));
  for (const char* bad : {"", "2026-11-20", "2026-11-20T14:22:11", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                          "2026-11-20T24:00:00Z", "2026-11-20T14:22:11.Z", "2026-11-20T14:22:11Zx",
                          "2026-11-20 14:22:11Z", "0000-01-01T00:00:00+05:30", "9999-12-31T23:59:60Z"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Digest, known_values) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // SipHash-2-4's reference vector for 15 bytes 00…0e under the key 00…0f.
  const KeyedHash hash(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL);
  std::string bytes;
  for (char i = 0; i < 15; ++i) bytes += i;
  EXPECT_EQ(hash(bytes), 0xa129ca6149be45e5ULL);
}

TEST(Header, quoted_strings_cant_be_broken) { EXPECT_EQ(quoted_string_body("a\"b\\c\r\nd\xC3"), "a\\\"b\\\\c??d?"); }

TEST(Form, fields) {
  std::string body;
  append_form_field(body, "a b", "x&y=z");
  append_form_field(body, "u", "\xC3\xA9@");
  EXPECT_EQ(body, "a+b=x%26y%3Dz&u=%C3%A9%40");
}

}  // namespace
}  // namespace agw
