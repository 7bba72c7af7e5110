// Header fields of a request: credentials, trace context, origins, and what of them comes back in an answer.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/gateway/discovery.h"
#include "agw/gateway/origin.h"

#include "gateway/credentials.h"
#include "gateway/refusal.h"
#include "support/claims.h"
#include "support/fakes.h"

namespace {

using namespace agw;
using fuzz::expect;

gateway::Location make_location() {
  gateway::Location out;
  out.label = "fuzz/mcp";
  out.name_space = "tickets";
  out.resource = *gateway::parse_resource_identifier("https://gw.example/mcp");
  out.resource.scopes_supported = {"tickets:read"};
  out.origins = {"https://ide.example"};
  out.challenge_scopes = {"tickets:read"};
  return out;
}

/// nginx refuses fields with these before the module sees them; none may be made here.
void check_fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  for (const auto& [name, value] : fields)
    expect(!name.empty() && value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
           "an answer's field is one line");
}

void check_origin(const gateway::Location& location, const Headers& headers) {
  const auto [sent, origin] = headers.find("origin");
  const bool known = origin == location.resource.origin || origin == location.origins.front();
  expect(gateway::origin_allowed(location, headers) == (sent == 0 || (sent == 1 && known)),
         "an origin is none, the resource's or one of the list");
  const auto fields = gateway::cors_headers(location, headers);
  expect(fields.empty() == (sent == 0 || !known || sent > 1), "only a page of a known origin may read");
  check_fields(fields);
  check_fields(gateway::preflight_headers(location, headers));
}

void check_token(const Headers& headers) {
  const auto sent = gateway::sent_token(headers);
  if (!sent) {
    expect(row(sent.error()).check == Check::token, "a refused credential is a matter of the token");
    return;
  }
  const std::string_view field = headers.get("authorization");
  expect(headers.count("authorization") == 1 && field.ends_with(sent->token), "a token is the end of the one field");
  expect(!sent->token.starts_with(' '), "a token has no space before it");
}

void check_answers(const gateway::Location& location, const Headers& headers) {
  gateway::Call call;
  call.location = &location;
  call.request_id = "0123456789abcdef0123456789abcdef";
  call.speaks_rpc = headers.count("mcp-method") > 0;
  call.mcp_version = headers.get("mcp-protocol-version");
  call.subject_name = headers.get("mcp-name");
  call.requested_version = call.mcp_version;
  for (const Reason reason : {Reason::token_missing, Reason::token_malformed, Reason::scope_missing,
                              Reason::operation_unknown, Reason::version_unsupported, Reason::method_unknown}) {
    const auto answer = gateway::answer_for(location, headers, call, deny(reason));
    expect(answer.status >= 200 && answer.status < 600 && is_utf8(answer.body), "an answer is one");
    check_fields(answer.headers);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gateway::Location location = make_location();
  std::string_view text(reinterpret_cast<const char*>(data), size);
  test::FakeHeaders headers;
  while (!text.empty()) {
    const std::string_view line = fuzz::take_line(text);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    // As nginx hands them over: trimmed, no control characters that end a line.
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (value.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) continue;
    headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  check_token(headers);
  const std::string_view trace = gateway::trace_id(headers);
  expect(
      trace.empty() || (trace.size() == 32 && trace.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
                        trace.find_first_not_of('0') != std::string_view::npos),
      "a trace id is 32 hex digits and not zero");
  check_origin(location, headers);
  check_answers(location, headers);
  return 0;
}
