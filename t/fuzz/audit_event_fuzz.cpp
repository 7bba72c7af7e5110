// What callers and backends send, on its way into a line of the audit log: one event is one line, which says exactly
// that. Lines of the input are fields of the event; inside one, \x01 stands for a newline.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include <jansson.h>

#include "agw/audit/verify.h"
#include "agw/base/encoding.h"

#include "support/audit.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

using Json = std::unique_ptr<json_t, decltype(&json_decref)>;

// Six bytes for each are the most that an escape takes: such a field is never cut.
constexpr std::size_t never_cut = 600;

/// The member says what the event had, unless that was long, no UTF-8 or held a NUL.
void expect_said(const json_t* object, const char* key, std::string_view had) {
  const json_t* value = json_object_get(object, key);
  if (had.empty()) return;
  expect(json_is_string(value), "a field is said");
  const std::string_view said(json_string_value(value), json_string_length(value));
  expect(said.size() <= 3 * 4096 + 16, "a field is bounded");
  if (had.size() <= never_cut && is_utf8(had) && had.find('\0') == std::string_view::npos)
    expect(said == had, "a field is said as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string fields[10];
  for (std::string& field : fields) {
    field = fuzz::take_line(rest);
    std::replace(field.begin(), field.end(), '\x01', '\n');
  }
  test::AuditLog log(std::string(32, 'r'), 64U * 1024);
  Principal principal;
  principal.user = fields[0];
  principal.agent = "company|docs";
  principal.tenant = "default";
  principal.actors = {{fields[0], fields[1]}};
  audit::Event event;
  event.id = "0123456789abcdef";
  event.type = "mcp.tools.call";
  if (!fields[0].empty()) event.principal = &principal;
  event.agent_name = fields[1];
  event.operation = fields[2];
  event.resource = fields[3];
  event.method = "POST";
  event.path = fields[4];
  event.user_agent = fields[5];
  event.mcp_tool = fields[6];
  event.mcp_method = "tools/call";
  event.detail = fields[7];
  event.text = fields[8];
  auto record = log.writer.begin(event);
  if (!record) return 0;  // more than the journal holds
  record->finish({.outcome = audit::Outcome::ok, .status = 200, .upstream_address = fields[9]});

  const auto lines = log.lines();
  expect(lines.size() == 1, "one event is one line");
  const std::string& line = lines.front();
  const Json json(json_loadb(line.data(), line.size(), JSON_REJECT_DUPLICATES, nullptr), json_decref);
  expect(json_is_object(json.get()) && is_utf8(line), "a line is JSON");
  expect_said(json.get(), "operation", fields[2]);
  expect_said(json.get(), "resource", fields[3]);
  expect_said(json_object_get(json.get(), "http"), "path", fields[4]);
  expect_said(json.get(), "user_agent", fields[5]);
  expect_said(json_object_get(json.get(), "mcp"), "tool", fields[6]);
  expect(log.sealer.close(), "the chain is closed");
  std::vector<Secret> keys;
  keys.emplace_back(std::string(32, 'r'));
  audit::Verifier verifier(keys, {.whole = true});
  std::istringstream in(log.file.text);
  verifier.read("log", in);
  verifier.finish();
  expect(verifier.findings().empty(), "the chain holds");
  return 0;
}
