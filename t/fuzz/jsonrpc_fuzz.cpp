// One POST: the first lines are header fields, what follows the empty line is the body.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"
#include "agw/json/scalar.h"
#include "agw/mcp/arguments.h"
#include "agw/mcp/error.h"
#include "agw/mcp/message.h"

#include "support/claims.h"
#include "support/fakes.h"

namespace {

using namespace agw;
using fuzz::expect;
using fuzz::take_line;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void check_message(const mcp::Message& message, const Headers& headers, std::string_view body) {
  expect(headers.count("content-type") == 1 && json::is_json_media_type(headers.get("content-type")));
  // Read anew, by someone who only knows JSON.
  json::Document document;
  const auto root = document.read(body, json::Limits{});
  expect(root && root->is(json::Kind::object) && root->member("jsonrpc")->text() == "2.0");
  const auto method = root->member("method");
  expect(method.has_value() == (message.kind != mcp::Kind::response));
  if (method) expect(method->text() == message.method);
  expect((root->member("id") ? root->member("id")->raw() : std::string_view()) == message.id);
  expect((message.kind == mcp::Kind::notification) == message.id.empty());
  const bool named = message.category == mcp::Category::tool || message.category == mcp::Category::prompt;
  if (named) expect(root->at({"params", "name"})->text() == message.name);
  if (message.category == mcp::Category::resource || message.category == mcp::Category::subscribe)
    expect(root->at({"params", "uri"})->text() == message.name);
  if (message.category == mcp::Category::task && message.method != "tasks/list")
    expect(root->at({"params", "taskId"})->text() == message.name);
  if (message.category == mcp::Category::completion) {
    const bool of_prompt = root->at({"params", "ref", "type"})->text() == "ref/prompt";
    expect(root->at({"params", "ref", of_prompt ? "name" : "uri"})->text() == message.name);
    expect((message.subject == mcp::SubjectKind::prompt) == of_prompt);
  }
  if (message.category == mcp::Category::listen)
    expect(root->at({"params", "notifications", "resourceSubscriptions"})->raw() == message.resources->raw());
  else if (message.category == mcp::Category::session && message.method == "subscriptions/listen")
    expect(!root->at({"params", "notifications", "resourceSubscriptions"}) ||
           root->at({"params", "notifications", "resourceSubscriptions"})->size() == 0);
  if (named && message.kind != mcp::Kind::request) std::abort();
  if (message.arguments) expect(root->at({"params", "arguments"})->raw() == message.arguments->raw());
  const auto version = root->at({"params", "_meta", "io.modelcontextprotocol/protocolVersion"});
  const bool modern = message.era == mcp::Era::modern;
  if (modern && message.kind == mcp::Kind::request) {
    expect(version && version->text() == trimmed(headers.get("mcp-protocol-version")));
    expect(trimmed(headers.get("mcp-method")) == message.method);
  }
  if (!modern) expect(!version);
  if (headers.count("mcp-method") > 0) expect(trimmed(headers.get("mcp-method")) == message.method);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static json::Document document;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  test::FakeHeaders headers;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    headers.add(std::string(line.substr(0, colon)),
                colon == std::string_view::npos ? std::string() : std::string(line.substr(colon + 1)));
  }
  const auto message = mcp::read_message(document, text, headers, mcp::ReadLimits{});
  if (message) {
    check_message(*message, headers, text);
    std::string scratch;
    for (const auto& path : {std::vector<std::string>{"id"}, {"filter", "id"}}) {
      const auto found = mcp::find_argument(message->arguments, path, scratch);
      if (found) expect(!found->empty());
    }
    return 0;
  }
  // Whatever is refused, the answer is one line of strict JSON.
  const mcp::Refusal& refusal = message.error();
  expect(agw::is_utf8(refusal.detail));
  const std::string data_object = "{\"requested\":" + json_quoted(refusal.requested_version) + "}";
  const std::string answer = mcp::error_body(refusal.id, row(refusal.reason).rpc, refusal.detail, data_object);
  expect(answer.find('\n') == std::string::npos || refusal.id.find('\n') != std::string::npos);
  const auto read = document.read(answer, json::Limits{});
  expect(read.has_value());
  return 0;
}
