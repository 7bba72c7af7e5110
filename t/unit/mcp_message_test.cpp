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
  headers.add("Host", "tools.company.example");
  bool has_type = false;
  for (const auto& [name, value] : fields) has_type = has_type || name == "content-type";
  if (!has_type) headers.add("Content-Type", "application/json");
  for (const auto& [name, value] : fields) headers.add(name, value);
  return read_message(document, body, headers, ReadLimits{});
}

struct Case {
  const char* name;
  std::string body;
  Fields fields;
  std::optional<Reason> refused;
  Category category = Category::tool;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Messages : public testing::TestWithParam<Case> {};

TEST_P(Messages, are_read_strictly) {
  json::Document document;
  const auto message = read(document, GetParam().body, GetParam().fields);
  if (GetParam().refused) {
    ASSERT_FALSE(message) << GetParam().body;
    EXPECT_EQ(to_string(message.error().reason), to_string(*GetParam().refused)) << message.error().detail;
  } else {
    ASSERT_TRUE(message) << to_string(message.error().reason) << " " << message.error().detail;
    EXPECT_EQ(message->category, GetParam().category);
  }
}

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

std::string request(const std::string& method, const std::string& params = "") {
  return R"({"jsonrpc":"2.0","id":1,"method":")" + method + "\"" + (params.empty() ? "" : R"(,"params":)" + params) +
         "}";
}
std::string notification(const std::string& method) { return R"({"jsonrpc":"2.0","method":")" + method + "\"}"; }
std::string envelope(const std::string& members) { return R"({"jsonrpc":"2.0",)" + members + "}"; }
const std::string call = request("tools/call", R"({"name":"x","arguments":{}})");

const std::string capabilities = R"("io.modelcontextprotocol/clientCapabilities":{})";
std::string meta(const std::string& version = "\"2026-07-28\"") {
  return R"("_meta":{"io.modelcontextprotocol/protocolVersion":)" + version + "," + capabilities + "}";
}
std::string modern_call(const std::string& name = "ticket.read", const std::string& version = "\"2026-07-28\"") {
  return request("tools/call", R"({"name":")" + name + R"(","arguments":{"id":"T-1"},)" + meta(version) + "}");
}
using Field = std::pair<std::string, std::string>;
const Field version{"MCP-Protocol-Version", "2026-07-28"};
const Field method{"Mcp-Method", "tools/call"};
const Field name{"Mcp-Name", "ticket.read"};
Field mirror(std::string text) { return {"Mcp-Method", std::move(text)}; }
Field named(std::string text) { return {"Mcp-Name", std::move(text)}; }
Field speaks(std::string text) { return {"MCP-Protocol-Version", std::move(text)}; }

INSTANTIATE_TEST_SUITE_P(
    Legacy, Messages,
    testing::Values(
        Case{"call", call, {}, {}}, Case{"call_without_arguments", request("tools/call", R"({"name":"x"})"), {}, {}},
        Case{"call_2024", call, {speaks("2024-11-05")}, {}}, Case{"call_2025_11", call, {speaks("2025-11-25")}, {}},
        Case{"escaped_name", request("tools/call", R"({"name":"\u0078"})"), {named("x")}, {}},
        Case{"unknown_params_member", request("tools/call", R"({"name":"x","later":1})"), {}, {}},
        Case{"initialize", request("initialize", R"({"protocolVersion":"2025-11-25"})"), {}, {}, Category::session},
        Case{"initialize_of_the_future",
             request("initialize", R"({"protocolVersion":"2030-01-01"})"),
             {},
             {},
             Category::session},
        Case{"ping", request("ping"), {}, {}, Category::session},
        Case{"level", request("logging/setLevel", R"({"level":"info"})"), {}, {}, Category::session},
        Case{"tools", request("tools/list"), {}, {}, Category::list},
        Case{"prompts", request("prompts/list", "{}"), {}, {}, Category::list},
        Case{"resources", request("resources/list"), {}, {}, Category::list},
        Case{"templates", request("resources/templates/list"), {}, {}, Category::list},
        Case{"prompt", request("prompts/get", R"({"name":"p","arguments":{"a":"b"}})"), {}, {}, Category::prompt},
        Case{"resource", request("resources/read", R"({"uri":"file:///x"})"), {}, {}, Category::resource},
        Case{"initialized", notification("notifications/initialized"), {}, {}, Category::notify},
        Case{"cancelled", notification("notifications/cancelled"), {}, {}, Category::notify},
        Case{"reply", envelope(R"("id":3,"result":{})"), {}, {}, Category::reply},
        Case{"reply_of_a_task",
             envelope(R"("id":3,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}})"),
             {},
             {},
             Category::reply},
        Case{"reply_with_a_lookalike",
             envelope(R"("id":3,"result":{"_Meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}})"),
             {},
             Reason::key_lookalike},
        Case{"reply_with_a_lookalike_task",
             envelope(R"("id":3,"result":{"_meta":{"io.modelcontextprotocol/Related-Task":{"taskId":"t"}}})"),
             {},
             Reason::key_lookalike},
        Case{"error_reply",
             envelope(R"("id":3,"error":{"code":-1,"message":"no","data":[1]})"),
             {},
             {},
             Category::reply},
        Case{"unknown_method", request("tasks/list"), {}, {}, Category::unknown},
        Case{"completion",
             request("completion/complete",
                     R"({"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}})"),
             {},
             {},
             Category::completion},
        Case{"completion_of_a_template",
             request("completion/complete",
                     R"({"ref":{"type":"ref/resource","uri":"a://{b}"},"argument":{"name":"b","value":""}})"),
             {},
             {},
             Category::completion},
        Case{"subscribe", request("resources/subscribe", R"({"uri":"x"})"), {}, {}, Category::subscribe},
        Case{"unsubscribe", request("resources/unsubscribe", R"({"uri":"x"})"), {}, {}, Category::subscribe},
        Case{"skills", request("skills/list"), {}, {}, Category::list},
        Case{"skill", request("skills/get", R"({"uri":"skill://a/SKILL.md"})"), {}, {}, Category::subscribe},
        Case{"skill_of_no_name", request("skills/get", "{}"), {}, Reason::params_invalid},
        Case{"directory", request("resources/directory/read", R"({"uri":"skill://a"})"), {}, {}, Category::subscribe},
        Case{"task", request("tasks/result", R"({"taskId":"t"})"), {speaks("2025-11-25")}, {}, Category::task},
        Case{"tasks", request("tasks/list"), {speaks("2025-11-25")}, {}, Category::task},
        Case{
            "task_too_early", request("tasks/get", R"({"taskId":"t"})"), {speaks("2025-06-18")}, {}, Category::unknown},
        Case{
            "modern_task", request("tasks/update", R"({"taskId":"t"})"), {speaks("2025-11-25")}, {}, Category::unknown},
        Case{"method_in_capitals", request("Tools/Call", R"({"name":"x"})"), {}, {}, Category::unknown},
        Case{"method_and_space", request("tools/call ", R"({"name":"x"})"), {}, {}, Category::unknown},
        Case{"modern_method", request("server/discover"), {}, {}, Category::unknown},
        Case{"modern_stream", request("subscriptions/listen"), {}, {}, Category::unknown},
        Case{"unknown_notification", notification("notifications/message"), {}, {}, Category::unknown},
        Case{"mirrors_agree", call, {method, named("x")}, {}},
        Case{"session", call, {{"Mcp-Session-Id", "3f-2!~"}}, {}},
        Case{"unknown_with_a_name", request("tasks/get", R"({"taskId":"t"})"), {named("t")}, {}, Category::unknown},
        Case{"identity_coding", call, {{"Content-Encoding", "identity"}}, {}},
        Case{"parameter_header", call, {{"Mcp-Param-Region", "eu"}}, {}},
        Case{"charset", call, {{"content-type", "application/json; charset=utf-8"}}, {}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Modern, Messages,
    testing::Values(
        Case{"call", modern_call(), {version, method, name}, {}},
        Case{"fields_in_another_case",
             modern_call(),
             {{"mcp-protocol-version", "2026-07-28"}, {"MCP-METHOD", "tools/call"}, {"mcp-name", " ticket.read\t"}},
             {}},
        Case{"name_in_base64", modern_call(), {version, method, named("=?base64?dGlja2V0LnJlYWQ=?=")}, {}},
        Case{"non_ascii_name_in_base64", modern_call("é"), {version, method, named("=?base64?w6k=?=")}, {}},
        Case{"discover",
             request("server/discover", "{" + meta() + "}"),
             {version, mirror("server/discover")},
             {},
             Category::session},
        Case{"list", request("tools/list", "{" + meta() + "}"), {version, mirror("tools/list")}, {}, Category::list},
        Case{"resource",
             request("resources/read", R"({"uri":"file:///x",)" + meta() + "}"),
             {version, mirror("resources/read"), named("file:///x")},
             {},
             Category::resource},
        Case{"session_is_ignored", modern_call(), {version, method, name, {"Mcp-Session-Id", "a b"}}, {}},
        Case{"listen",
             request("subscriptions/listen", R"({"notifications":{"toolsListChanged":true},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             {},
             Category::session},
        Case{"listen_to_no_resource",
             request("subscriptions/listen", R"({"notifications":{"resourceSubscriptions":[]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             {},
             Category::session},
        Case{"listen_to_a_resource",
             request("subscriptions/listen",
                     R"({"notifications":{"resourceSubscriptions":["file:///x"]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             {},
             Category::listen},
        Case{"listen_to_an_odd_resource",
             request("subscriptions/listen",
                     R"({"notifications":{"resourceSubscriptions":"file:///x"},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::params_invalid},
        Case{"listen_to_no_uri",
             request("subscriptions/listen", R"({"notifications":{"resourceSubscriptions":[7]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::params_invalid},
        Case{"completion",
             request("completion/complete",
                     R"({"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""},)" + meta() + "}"),
             {version, mirror("completion/complete")},
             {},
             Category::completion},
        Case{"completion_and_name",
             request("completion/complete",
                     R"({"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""},)" + meta() + "}"),
             {version, mirror("completion/complete"), named("p")},
             Reason::header_mismatch},
        Case{"removed_subscription",
             request("resources/subscribe", R"({"uri":"x",)" + meta() + "}"),
             {version, mirror("resources/subscribe")},
             {},
             Category::unknown},
        Case{"listen_to_a_lookalike",
             request("subscriptions/listen", R"({"notifications":{"ResourceSubscriptions":["x"]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::key_lookalike},
        Case{"listen_to_tasks",
             request("subscriptions/listen", R"({"notifications":{"taskIds":["a","b"]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             {},
             Category::listen},
        Case{"listen_to_no_task",
             request("subscriptions/listen", R"({"notifications":{"taskIds":[]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             {},
             Category::session},
        Case{"listen_to_what_is_no_task",
             request("subscriptions/listen", R"({"notifications":{"taskIds":["a",7]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::params_invalid},
        Case{"listen_to_lookalike_tasks",
             request("subscriptions/listen", R"({"notifications":{"TaskIds":["a"]},)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::key_lookalike},
        Case{"listen_to_a_list",
             request("subscriptions/listen", R"({"notifications":[],)" + meta() + "}"),
             {version, mirror("subscriptions/listen")},
             Reason::params_invalid},
        Case{"notification", notification("notifications/cancelled"), {version}, {}, Category::notify},
        Case{"notification_and_mirror",
             notification("notifications/cancelled"),
             {version, mirror("notifications/progress")},
             Reason::header_mismatch},
        Case{"removed_method", request("ping", "{" + meta() + "}"), {version, mirror("ping")}, {}, Category::unknown},
        Case{"removed_handshake",
             request("initialize", "{" + meta() + "}"),
             {version, mirror("initialize")},
             {},
             Category::unknown},
        Case{"task",
             request("tasks/get", R"({"taskId":"t",)" + meta() + "}"),
             {version, mirror("tasks/get"), named("t")},
             {},
             Category::task},
        Case{"task_of_another_name",
             request("tasks/get", R"({"taskId":"t",)" + meta() + "}"),
             {version, mirror("tasks/get"), named("u")},
             Reason::header_mismatch},
        Case{"no_version_header", modern_call(), {method, name}, Reason::header_mismatch},
        Case{"legacy_version_header", modern_call(), {speaks("2025-11-25"), method, name}, Reason::header_mismatch},
        Case{"repeated_version_header", modern_call(), {version, version, method, name}, Reason::header_mismatch},
        Case{"no_method_header", modern_call(), {version, name}, Reason::header_mismatch},
        Case{"empty_method_header", modern_call(), {version, mirror(""), name}, Reason::header_mismatch},
        Case{"other_method", modern_call(), {version, mirror("tools/list"), name}, Reason::header_mismatch},
        Case{"method_in_capitals", modern_call(), {version, mirror("TOOLS/CALL"), name}, Reason::header_mismatch},
        Case{"repeated_method_header", modern_call(), {version, method, method, name}, Reason::header_mismatch},
        Case{"no_name_header", modern_call(), {version, method}, Reason::header_mismatch},
        Case{"other_name", modern_call(), {version, method, named("ticket.delete")}, Reason::header_mismatch},
        Case{"name_in_capitals", modern_call(), {version, method, named("Ticket.read")}, Reason::header_mismatch},
        Case{"repeated_name", modern_call(), {version, method, name, name}, Reason::header_mismatch},
        Case{"other_name_in_base64",
             modern_call(),
             {version, method, named("=?base64?dGlja2V0LmRlbGV0ZQ==?=")},
             Reason::header_mismatch},
        Case{"broken_base64", modern_call(), {version, method, named("=?base64?%%%?=")}, Reason::header_mismatch},
        Case{"unpadded_base64",
             modern_call(),
             {version, method, named("=?base64?dGlja2V0LnJlYWQ?=")},
             Reason::header_mismatch},
        Case{"base64_in_capitals",
             modern_call(),
             {version, method, named("=?BASE64?dGlja2V0LnJlYWQ=?=")},
             Reason::header_mismatch},
        Case{"overlapping_markers", modern_call("=?base64?="), {version, method, named("=?base64?=")}, {}},
        Case{"raw_bytes_in_name", modern_call("é"), {version, method, named("é")}, Reason::header_mismatch},
        Case{"orphan_name",
             request("tools/list", "{" + meta() + "}"),
             {version, mirror("tools/list"), name},
             Reason::header_mismatch},
        Case{
            "no_meta", request("tools/call", R"({"name":"x"})"), {version, method, named("x")}, Reason::params_invalid},
        Case{"no_params", request("tools/list"), {version, mirror("tools/list")}, Reason::params_invalid},
        Case{"no_capabilities",
             request("tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})"),
             {version, mirror("tools/list")},
             Reason::params_invalid},
        Case{
            "odd_capabilities",
            request(
                "tools/list",
                R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}})"),
            {version, mirror("tools/list")},
            Reason::params_invalid},
        Case{"no_version_in_meta",
             request("tools/list", R"({"_meta":{)" + capabilities + "}}"),
             {version, mirror("tools/list")},
             Reason::params_invalid},
        Case{"version_as_number",
             modern_call("ticket.read", "20260728"),
             {version, method, name},
             Reason::params_invalid},
        Case{"legacy_version_in_meta",
             modern_call("ticket.read", "\"2025-11-25\""),
             {speaks("2025-11-25"), method, name},
             Reason::params_invalid},
        Case{"response", envelope(R"("id":3,"result":{})"), {version}, Reason::message_malformed},
        Case{"future_version",
             modern_call("ticket.read", "\"2027-01-01\""),
             {speaks("2027-01-01"), method, name},
             Reason::version_unsupported}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Malformed, Messages,
    testing::Values(
        Case{"empty", "", {}, Reason::json_invalid}, Case{"not_json", "{", {}, Reason::json_invalid},
        Case{"two_messages", call + call, {}, Reason::json_invalid},
        Case{"batch", "[" + call + "]", {}, Reason::batch_refused},
        Case{"batch_after_space", " \n[" + call + "]", {}, Reason::batch_refused},
        Case{"empty_batch", "[]", {}, Reason::batch_refused}, Case{"string", "\"ping\"", {}, Reason::message_malformed},
        Case{"number", "7", {}, Reason::message_malformed}, Case{"null", "null", {}, Reason::message_malformed},
        Case{"empty_object", "{}", {}, Reason::message_malformed},
        Case{
            "twice_the_method", envelope(R"("id":1,"method":"ping","method":"tools/call")"), {}, Reason::key_duplicate},
        Case{"escaped_twin",
             envelope(R"("id":1,"method":"ping","\u006dethod":"tools/call")"),
             {},
             Reason::key_duplicate},
        Case{"both_cases", envelope(R"("id":1,"method":"ping","Method":"tools/call")"), {}, Reason::key_lookalike},
        Case{"method_lookalike", envelope(R"("id":1,"Method":"ping")"), {}, Reason::key_lookalike},
        Case{"params_lookalike", envelope(R"("id":1,"method":"ping","paramſ":{})"), {}, Reason::key_lookalike},
        Case{"error_lookalike", envelope(R"("id":1,"result":{},"Error":{})"), {}, Reason::key_lookalike},
        Case{"name_lookalike", request("tools/call", R"({"Name":"x"})"), {}, Reason::key_lookalike},
        Case{"name_and_lookalike", request("tools/call", R"({"name":"x","NAME":"y"})"), {}, Reason::key_lookalike},
        Case{"uri_lookalike", request("resources/read", R"({"urı":"x"})"), {}, Reason::key_lookalike},
        Case{"meta_lookalike", request("ping", R"({"_META":{}})"), {}, Reason::key_lookalike},
        Case{"version_lookalike",
             request("ping", R"({"_meta":{"io.modelcontextprotocol/ProtocolVersion":"x"}})"),
             {},
             Reason::key_lookalike},
        Case{"argument_case_twins",
             request("tools/call", R"({"name":"x","arguments":{"id":1,"ID":2}})"),
             {},
             Reason::key_lookalike},
        Case{"argument_twins",
             request("tools/call", R"({"name":"x","arguments":{"id":1,"id":2}})"),
             {},
             Reason::key_duplicate},
        Case{"nul_in_name", request("tools/call", R"({"name":"x\u0000"})"), {}, Reason::json_invalid},
        Case{"unknown_member", envelope(R"("id":1,"method":"ping","extra":1)"), {}, Reason::message_malformed},
        Case{"wrong_jsonrpc", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", {}, Reason::message_malformed},
        Case{"number_jsonrpc", R"({"jsonrpc":2.0,"id":1,"method":"ping"})", {}, Reason::message_malformed},
        Case{"no_jsonrpc", R"({"id":1,"method":"ping"})", {}, Reason::message_malformed},
        Case{"id_null", envelope(R"("id":null,"method":"ping")"), {}, Reason::message_malformed},
        Case{"id_fraction", envelope(R"("id":1.5,"method":"ping")"), {}, Reason::message_malformed},
        Case{"id_exponent", envelope(R"("id":1e3,"method":"ping")"), {}, Reason::message_malformed},
        Case{"id_object", envelope(R"("id":{},"method":"ping")"), {}, Reason::message_malformed},
        Case{"id_true", envelope(R"("id":true,"method":"ping")"), {}, Reason::message_malformed},
        Case{"id_too_long",
             envelope(R"("id":")" + std::string(300, 'x') + R"(","method":"ping")"),
             {},
             Reason::message_malformed},
        Case{"method_number", envelope(R"("id":1,"method":7)"), {}, Reason::message_malformed},
        Case{"method_empty", envelope(R"("id":1,"method":"")"), {}, Reason::message_malformed},
        Case{"method_and_result", envelope(R"("id":1,"method":"ping","result":{})"), {}, Reason::message_malformed},
        Case{"method_and_error",
             envelope(R"("id":1,"method":"ping","error":{"code":1,"message":""})"),
             {},
             Reason::message_malformed},
        Case{"result_and_error",
             envelope(R"("id":1,"result":{},"error":{"code":1,"message":""})"),
             {},
             Reason::message_malformed},
        Case{"result_and_params", envelope(R"("id":1,"result":{},"params":{})"), {}, Reason::message_malformed},
        Case{"result_without_id", envelope(R"("result":{})"), {}, Reason::message_malformed},
        Case{"result_string", envelope(R"("id":1,"result":"x")"), {}, Reason::message_malformed},
        Case{"error_string", envelope(R"("id":1,"error":"x")"), {}, Reason::message_malformed},
        Case{"error_without_code", envelope(R"("id":1,"error":{"message":"x"})"), {}, Reason::message_malformed},
        Case{"nothing", envelope(R"("id":1)"), {}, Reason::message_malformed},
        Case{"params_array", request("ping", "[]"), {}, Reason::params_invalid},
        Case{"params_null", request("ping", "null"), {}, Reason::params_invalid},
        Case{"meta_array", request("ping", R"({"_meta":[]})"), {}, Reason::params_invalid},
        Case{"no_params", request("tools/call"), {}, Reason::params_invalid},
        Case{"no_name", request("tools/call", "{}"), {}, Reason::params_invalid},
        Case{"number_as_name", request("tools/call", R"({"name":1})"), {}, Reason::params_invalid},
        Case{"empty_name", request("tools/call", R"({"name":""})"), {}, Reason::params_invalid},
        Case{"endless_name",
             request("tools/call", R"({"name":")" + std::string(2000, 'x') + "\"}"),
             {},
             Reason::params_invalid},
        Case{"no_task", request("tasks/get", "{}"), {speaks("2025-11-25")}, Reason::params_invalid},
        Case{"no_reference", request("completion/complete", "{}"), {}, Reason::params_invalid},
        Case{"odd_reference",
             request("completion/complete", R"({"ref":{"type":"ref/tool","name":"p"},"argument":{}})"),
             {},
             Reason::params_invalid},
        Case{"two_references",
             request("completion/complete", R"({"ref":{"type":"ref/prompt","name":"p","uri":"x"},"argument":{}})"),
             {},
             Reason::params_invalid},
        Case{"reference_lookalike",
             request("completion/complete", R"({"ref":{"type":"ref/prompt","name":"p","Type":"x"},"argument":{}})"),
             {},
             Reason::key_lookalike},
        Case{"no_uri", request("resources/read", R"({"name":"x"})"), {}, Reason::params_invalid},
        Case{"arguments_array", request("tools/call", R"({"name":"x","arguments":[]})"), {}, Reason::params_invalid},
        Case{"arguments_null", request("tools/call", R"({"name":"x","arguments":null})"), {}, Reason::params_invalid},
        Case{"initialize_with_odd_version",
             request("initialize", R"({"protocolVersion":7})"),
             {},
             Reason::params_invalid},
        Case{"initialize_with_a_novel",
             request("initialize", R"({"protocolVersion":")" + std::string(40, 'x') + "\"}"),
             {},
             Reason::params_invalid},
        Case{"call_without_id",
             envelope(R"("method":"tools/call","params":{"name":"x"})"),
             {},
             Reason::message_malformed},
        Case{"notification_with_id", request("notifications/initialized"), {}, Reason::message_malformed}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fields, Messages,
    testing::Values(
        Case{"encoded", call, {{"Content-Encoding", "gzip"}}, Reason::encoding_refused},
        Case{"encoded_twice",
             call,
             {{"Content-Encoding", "identity"}, {"Content-Encoding", "identity"}},
             Reason::encoding_refused},
        Case{"empty_encoding", call, {{"Content-Encoding", ""}}, Reason::encoding_refused},
        Case{"form", call, {{"content-type", "application/x-www-form-urlencoded"}}, Reason::content_type_refused},
        Case{"second_content_type", call, {{"Content-Type", "application/json"}}, Reason::content_type_refused},
        Case{"legacy_name_disagrees", call, {named("y")}, Reason::header_mismatch},
        Case{"legacy_method_disagrees", call, {mirror("ping")}, Reason::header_mismatch},
        Case{"legacy_method_of_a_response", envelope(R"("id":3,"result":{})"), {method}, Reason::header_mismatch},
        Case{"legacy_name_repeated", call, {named("x"), named("x")}, Reason::header_mismatch},
        Case{"future_version", request("ping"), {speaks("2027-01-01")}, Reason::version_unsupported},
        Case{"version_and_more", request("ping"), {speaks("2026-07-28x")}, Reason::version_unsupported},
        Case{"old_version", request("ping"), {speaks("1999-01-01")}, Reason::version_unsupported},
        Case{"no_version_at_all", request("ping"), {speaks("")}, Reason::version_unsupported},
        Case{"word_as_version", request("ping"), {speaks("latest")}, Reason::version_unsupported},
        Case{"session_with_space", call, {{"Mcp-Session-Id", "a b"}}, Reason::session_malformed},
        Case{"session_empty", call, {{"Mcp-Session-Id", ""}}, Reason::session_malformed},
        Case{"session_with_bytes", call, {{"Mcp-Session-Id", "é"}}, Reason::session_malformed},
        Case{"session_endless", call, {{"Mcp-Session-Id", std::string(5000, 'x')}}, Reason::session_malformed},
        Case{"session_repeated", call, {{"Mcp-Session-Id", "a"}, {"Mcp-Session-Id", "a"}}, Reason::session_malformed}),
    name_of);

TEST(Mcp, a_message_is_spans_of_the_body) {
  json::Document document;
  const std::string body = modern_call();
  const auto message = read(document, body, {version, method, name});
  ASSERT_TRUE(message);
  EXPECT_EQ(message->era, Era::modern);
  EXPECT_EQ(message->kind, Kind::request);
  EXPECT_EQ(message->method, "tools/call");
  EXPECT_EQ(message->id, "1");
  EXPECT_EQ(message->protocol_version, "2026-07-28");
  EXPECT_EQ(message->name.data(), body.data() + body.find("ticket.read"));
  EXPECT_EQ(message->arguments->raw(), R"({"id":"T-1"})");
  EXPECT_TRUE(message->session_id.empty());
}

TEST(Mcp, versions_are_told) {
  json::Document document;
  EXPECT_EQ(read(document, call, {})->protocol_version, "2025-03-26");
  EXPECT_EQ(read(document, call, {speaks("2025-06-18")})->protocol_version, "2025-06-18");
  const std::string initialize = request("initialize", R"({"protocolVersion":"2025-11-25"})");
  EXPECT_EQ(read(document, initialize, {})->protocol_version, "2025-11-25");
  const auto refused = read(document, call, {speaks("2031-01-01")});
  EXPECT_EQ(refused.error().requested_version, "2031-01-01");
  EXPECT_LE(read(document, call, {speaks(std::string(4000, '9'))}).error().requested_version.size(), 32U);
  EXPECT_EQ(read(document, call, {speaks("x\x01\xFF\"y")}).error().requested_version, "x??\"y");
  // Every version in the list is one that passes.
  const std::string list = "{\"v\":" + std::string(supported_versions_json()) + "}";
  std::vector<std::string> versions;
  const auto root = document.read(list, json::Limits{});
  ASSERT_TRUE(root);
  const json::Value all = *root->member("v");
  for (const json::Value one : all) versions.emplace_back(one.text());
  ASSERT_EQ(versions.size(), 5U);
  EXPECT_EQ(versions.front(), modern_version);
  for (const std::string& one : versions)
    if (one != modern_version) {
      EXPECT_TRUE(read(document, call, {speaks(one)})) << one;
    }
}

TEST(Mcp, ids_are_kept_as_sent) {
  json::Document document;
  for (const char* id : {"7", "\"7\"", "0", "-1", "\"\"", "9007199254740992", R"("\u0041")", R"("a b")"}) {
    const std::string body = std::string(R"({"jsonrpc":"2.0","method":"ping","id": )") + id + " }";
    const auto message = read(document, body, {});
    ASSERT_TRUE(message) << id;
    EXPECT_EQ(message->id, id);
    EXPECT_EQ(message->kind, Kind::request);
  }
}

TEST(Mcp, a_refusal_knows_the_id) {
  json::Document document;
  EXPECT_EQ(read(document, R"({"jsonrpc":"2.0","id":"7","method":"tools/call","params":{}})", {}).error().id, "\"7\"");
  EXPECT_EQ(read(document, R"({"jsonrpc":"1.0","id":7,"method":"ping"})", {}).error().id, "7");
  EXPECT_EQ(read(document, R"({"jsonrpc":"2.0","id":{},"method":"ping"})", {}).error().id, "");
  EXPECT_EQ(read(document, R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})", {}).error().id, "");
}

TEST(Mcp, arguments_by_path) {
  json::Document document;
  const std::string text =
      R"({"id":"T-1","n":7,"filter":{"id":"x","deep":{"er":"y"}},"list":[1],"empty":"","half":1.5,"none":null,"a/b":"z"})";
  const auto root = document.read(text, json::Limits{});
  ASSERT_TRUE(root);
  std::string scratch;
  struct Row {
    std::vector<std::string> path;
    const char* text;
  };
  for (const Row& row :
       {Row{{"id"}, "T-1"}, {{"n"}, "7"}, {{"filter", "id"}, "x"}, {{"filter", "deep", "er"}, "y"}, {{"a/b"}, "z"}})
    EXPECT_EQ(find_argument(*root, row.path, scratch), row.text) << row.path.front();
  for (const auto& missing :
       {std::vector<std::string>{"absent"}, {"filter", "absent"}, {"absent", "id"}, {"ID"}, {"a", "b"}, {""}})
    EXPECT_EQ(find_argument(*root, missing, scratch).error(), Reason::argument_missing) << missing.front();
  for (const auto& odd : {std::vector<std::string>{"list"},
                          {"empty"},
                          {"half"},
                          {"none"},
                          {"filter"},
                          {"id", "x"},
                          {"list", "0"},
                          {"none", "x"}})
    EXPECT_EQ(find_argument(*root, odd, scratch).error(), Reason::argument_invalid) << odd.front();
  EXPECT_EQ(find_argument(std::nullopt, {"id"}, scratch).error(), Reason::argument_missing);
  EXPECT_EQ(find_argument(root->member("list"), {"id"}, scratch).error(), Reason::argument_invalid);
}

TEST(Mcp, error_bodies_are_one_valid_json) {
  EXPECT_EQ(error_body("7", 4030, "a \"b\"\n", R"({"x":1})"),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":4030,"message":"a \"b\"\n","data":{"x":1}}})");
  EXPECT_EQ(error_body("", -32600, "m", ""), R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"m"}})");
  json::Document document;
  const std::string hostile = error_body("\"\\u0041\"", -32602, "Unknown tool: \xFF\x01\"}\r\n\xE2\x80\xA8", "{}");
  EXPECT_TRUE(document.read(hostile, json::Limits{}));
  EXPECT_EQ(hostile.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace agw::mcp
