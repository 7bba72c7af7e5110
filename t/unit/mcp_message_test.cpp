#include <gtest/gtest.h>

#include "agw/mcp/arguments.h"
#include "agw/mcp/error.h"
#include "agw/mcp/message.h"
#include "support/fakes.h"

namespace agw::mcp {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Result<Message, Refusal> read(json::Document& document, const std::string& body, const Fields& fields) {
  test::FakeHeaders headers;
  headers.add("Content-Type", "application/json");
  for (const auto& [name, value] : fields) headers.add(name, value);
  return read_message(document, body, headers, ReadLimits{});
}

const std::string meta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";
const Fields modern{{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", "tools/call"}, {"Mcp-Name", "ticket.read"}};
std::string modern_call(const std::string& extra = "") {
  return R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-1"},)" + meta + extra + "}}";
}

struct Case {
  const char* name;
  std::string body;
  Fields fields;
  std::optional<Reason> refused;
  Category category = Category::tool;
};

class Messages : public testing::TestWithParam<Case> {};

TEST_P(Messages, are_read_strictly) {
  json::Document document;
  const auto message = read(document, GetParam().body, GetParam().fields);
  if (GetParam().refused) {
    ASSERT_FALSE(message) << GetParam().body;
    EXPECT_EQ(to_string(message.error().reason), to_string(*GetParam().refused)) << message.error().detail;
  } else {
    ASSERT_TRUE(message) << to_string(message.error().reason) << message.error().detail;
    EXPECT_EQ(message->category, GetParam().category);
  }
}

const std::string call = R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","arguments":{}}})";

INSTANTIATE_TEST_SUITE_P(Mcp, Messages, testing::Values(
    Case{"legacy_call", call, {}, {}},
    Case{"legacy_call_with_version", call, {{"MCP-Protocol-Version", "2025-11-25"}}, {}},
    Case{"initialize", R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})", {}, {}, Category::session},
    Case{"ping", R"({"jsonrpc":"2.0","id":0,"method":"ping"})", {}, {}, Category::session},
    Case{"list", R"({"jsonrpc":"2.0","id":0,"method":"tools/list"})", {}, {}, Category::list},
    Case{"notification", R"({"jsonrpc":"2.0","method":"notifications/initialized"})", {}, {}, Category::notify},
    Case{"reply", R"({"jsonrpc":"2.0","id":3,"result":{}})", {}, {}, Category::reply},
    Case{"prompt", R"({"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"p"}})", {}, {}, Category::prompt},
    Case{"resource", R"({"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"file:///x"}})", {}, {}, Category::resource},
    Case{"unknown_method", R"({"jsonrpc":"2.0","id":3,"method":"tasks/list"})", {}, {}, Category::unknown},
    Case{"modern_call", modern_call(), modern, {}},
    Case{"modern_name_in_base64", modern_call(), {modern[0], modern[1], {"Mcp-Name", "=?base64?dGlja2V0LnJlYWQ=?="}}, {}},
    Case{"modern_discover", R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{)" + meta + "}}", {modern[0], {"Mcp-Method", "server/discover"}}, {}, Category::session},
    Case{"modern_without_version_header", modern_call(), {modern[1], modern[2]}, Reason::header_mismatch},
    Case{"modern_without_method_header", modern_call(), {modern[0], modern[2]}, Reason::header_mismatch},
    Case{"modern_without_name_header", modern_call(), {modern[0], modern[1]}, Reason::header_mismatch},
    Case{"modern_other_name", modern_call(), {modern[0], modern[1], {"Mcp-Name", "ticket.delete"}}, Reason::header_mismatch},
    Case{"modern_name_in_other_case", modern_call(), {modern[0], modern[1], {"Mcp-Name", "Ticket.read"}}, Reason::header_mismatch},
    Case{"modern_other_method", modern_call(), {modern[0], {"Mcp-Method", "tools/list"}, modern[2]}, Reason::header_mismatch},
    Case{"modern_repeated_header", modern_call(), {modern[0], modern[1], modern[1], modern[2]}, Reason::header_mismatch},
    Case{"modern_without_meta", call, {modern[0], modern[1], {"Mcp-Name", "x"}}, Reason::params_invalid},
    Case{"modern_without_capabilities", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}})", {modern[0], {"Mcp-Method", "ping"}}, Reason::params_invalid},
    Case{"modern_response", R"({"jsonrpc":"2.0","id":3,"result":{}})", {modern[0]}, Reason::message_malformed},
    Case{"future_version", R"({"jsonrpc":"2.0","id":1,"method":"ping"})", {{"MCP-Protocol-Version", "2027-01-01"}}, Reason::version_unsupported},
    Case{"odd_version", R"({"jsonrpc":"2.0","id":1,"method":"ping"})", {{"MCP-Protocol-Version", "1999-01-01"}}, Reason::version_unsupported},
    Case{"legacy_mirror_disagrees", call, {{"Mcp-Name", "y"}}, Reason::header_mismatch},
    Case{"batch", "[" + call + "]", {}, Reason::batch_refused},
    Case{"batch_after_space", " \n[" + call + "]", {}, Reason::batch_refused},
    Case{"empty_batch", "[]", {}, Reason::batch_refused},
    Case{"not_json", "{", {}, Reason::json_invalid},
    Case{"twice_the_method", R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"})", {}, Reason::key_duplicate},
    Case{"method_lookalike", R"({"jsonrpc":"2.0","id":1,"Method":"ping","params":{}})", {}, Reason::key_lookalike},
    Case{"params_lookalike", R"({"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}})", {}, Reason::key_lookalike},
    Case{"name_lookalike", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"x"}})", {}, Reason::key_lookalike},
    Case{"meta_lookalike", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"x"}}})", {}, Reason::key_lookalike},
    Case{"argument_case_twins", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"id":1,"ID":2}}})", {}, Reason::key_duplicate},
    Case{"unknown_member", R"({"jsonrpc":"2.0","id":1,"method":"ping","extra":1})", {}, Reason::message_malformed},
    Case{"wrong_jsonrpc", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", {}, Reason::message_malformed},
    Case{"no_jsonrpc", R"({"id":1,"method":"ping"})", {}, Reason::message_malformed},
    Case{"id_null", R"({"jsonrpc":"2.0","id":null,"method":"ping"})", {}, Reason::message_malformed},
    Case{"id_fraction", R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", {}, Reason::message_malformed},
    Case{"id_object", R"({"jsonrpc":"2.0","id":{},"method":"ping"})", {}, Reason::message_malformed},
    Case{"method_number", R"({"jsonrpc":"2.0","id":1,"method":7})", {}, Reason::message_malformed},
    Case{"params_array", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})", {}, Reason::params_invalid},
    Case{"call_without_name", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}})", {}, Reason::params_invalid},
    Case{"call_with_number_as_name", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}})", {}, Reason::params_invalid},
    Case{"arguments_array", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":[]}})", {}, Reason::params_invalid},
    Case{"call_without_id", R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}})", {}, Reason::message_malformed},
    Case{"result_and_error", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})", {}, Reason::message_malformed},
    Case{"nothing", R"({"jsonrpc":"2.0","id":1})", {}, Reason::message_malformed},
    Case{"encoded", call, {{"Content-Encoding", "gzip"}}, Reason::encoding_refused},
    Case{"second_content_type", call, {{"Content-Type", "application/json"}}, Reason::content_type_refused},
    Case{"session_id", call, {{"Mcp-Session-Id", "abc"}}, {}},
    Case{"session_id_with_space", call, {{"Mcp-Session-Id", "a b"}}, Reason::session_malformed}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Mcp, a_refusal_knows_the_id) {
  json::Document document;
  const auto message = read(document, R"({"jsonrpc":"2.0","id":"7","method":"tools/call","params":{}})", {});
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().id, "\"7\"");
}

TEST(Mcp, arguments_by_path) {
  json::Document document;
  const std::string text = R"({"id":"T-1","n":7,"filter":{"id":"x"},"list":[1],"empty":"","half":1.5})";
  const auto root = document.read(text, json::Limits{});
  ASSERT_TRUE(root);
  std::string scratch;
  EXPECT_EQ(*find_argument(*root, {"id"}, scratch), "T-1");
  EXPECT_EQ(*find_argument(*root, {"n"}, scratch), "7");
  EXPECT_EQ(*find_argument(*root, {"filter", "id"}, scratch), "x");
  EXPECT_EQ(find_argument(*root, {"absent"}, scratch).error(), Reason::argument_missing);
  EXPECT_EQ(find_argument(std::nullopt, {"id"}, scratch).error(), Reason::argument_missing);
  for (const char* odd : {"list", "empty", "half", "filter"})
    EXPECT_EQ(find_argument(*root, {odd}, scratch).error(), Reason::argument_invalid) << odd;
  EXPECT_EQ(find_argument(*root, {"id", "x"}, scratch).error(), Reason::argument_invalid);
}

TEST(Mcp, error_bodies_are_one_valid_json) {
  EXPECT_EQ(error_body("7", 4030, "a \"b\"\n", R"({"x":1})"),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":4030,"message":"a \"b\"\n","data":{"x":1}}})");
  EXPECT_EQ(error_body("", -32600, "m", ""), R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"m"}})");
}

}  // namespace
}  // namespace agw::mcp
