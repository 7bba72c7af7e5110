// The course of a response over what a backend answers, whole or as a stream, in whatever pieces. The input's first
// byte says which of them, the second how large the pieces are; the rest is the body.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agw/gateway/response_course.h"
#include "agw/mcp/event_stream.h"

#include "gateway/edits.h"
#include "support/claims.h"
#include "support/fakes.h"
#include "support/gateway_world.h"

namespace {

using namespace agw;
using namespace agw::gateway;
using fuzz::expect;

constexpr std::size_t most = 4096;

/// `seen` and `shown` may be seen; `hidden` has a route and may not; nothing else has one.
const Location& location() {
  static const Location made = [] {
    Location out;
    out.max_answer = most;
    out.list_ttl = Milliseconds(1000);
    for (const char* name : {"seen", "shown", "hidden"}) {
      OperationRoute route;
      route.policy.operation = std::string("t/") + name;
      route.tool = name;
      route.mode = std::string_view(name) == "hidden" ? Mode::enforce : Mode::observe;
      out.tools.emplace(name, static_cast<std::uint32_t>(out.routes.size()));
      out.routes.push_back(std::move(route));
    }
    return out;
  }();
  return made;
}

struct Run {
  std::string out;
  bool refused = false;
};

/// Whoever lists is nobody here: what is enforced is hidden from it.
Run run(std::string_view body, ResponseCourse::Way way, bool asks_list, mcp::Era era, std::size_t piece) {
  using Step = ResponseCourse::Step;
  test::FakeClock clock;
  test::FakeLog log;
  test::FixedStore store;
  RouteSights sights;
  json::Document document;
  Call call;
  call.location = &location();
  call.request_id = "0123456789abcdef0123456789abcdef";
  call.era = era;
  call.type = asks_list ? "mcp.tools.list" : "mcp.stream";
  call.category = asks_list ? mcp::Category::list : mcp::Category::session;
  call.mcp_method = asks_list ? std::string_view("tools/list") : std::string_view();
  call.speaks_rpc = asks_list;
  if (asks_list) call.rpc_id = "1";
  Edits edits;
  edits.push_back(edit_of_lists(way, call, {clock, store, sights}));
  ResponseCourse course(way, call, document, log, std::move(edits));
  Run result;
  Step step = Step::unchanged;
  for (std::size_t at = 0; at < body.size() && step != Step::refused; at += piece) {
    const std::string_view bytes = body.substr(at, piece);
    const std::size_t before = result.out.size();
    step = course.feed(bytes, result.out);
    if (step == Step::unchanged) {
      expect(result.out.size() == before, "what is unchanged isn't written, too");
      result.out += bytes;
    }
  }
  if (step != Step::refused) step = course.end(result.out);
  result.refused = step == Step::refused;
  if (result.refused) {
    std::string more;
    expect(course.feed("data: x\n\n", more) == Step::refused && course.end(more) == Step::refused && more.empty(),
           "nothing follows a refusal");
    expect(call.failure.has_value(), "a refusal has a reason");
  }
  return result;
}

json::Limits lenient() {
  json::Limits limits;
  limits.keys_depth = 4;
  limits.any_values = true;
  return limits;
}

/// No item that isn't visible; what stays is as it came.
void check_message(std::string_view text, std::string_view input, bool whole) {
  json::Document document;
  const auto root = document.read(text, lenient());
  if (!root) return;
  const auto result = root->member("result");
  if (!result || root->member("method")) return;
  for (const std::string_view list : {"tools", "prompts", "resources", "resourceTemplates"}) {
    const auto items = result->member(list);
    if (!items) continue;
    expect(items->is(json::Kind::array), "a list is an array");
    for (const json::Value item : *items) {
      const auto name = item.member("name");
      expect(list == "tools" && name && (name->text() == "seen" || name->text() == "shown"),
             "only what may be seen is");
      if (whole) expect(input.find(item.raw()) != std::string_view::npos, "to the byte");
    }
  }
}

void check(std::string_view input, const Run& passed, ResponseCourse::Way way, bool asks_list) {
  if (way == ResponseCourse::Way::whole) {
    if (passed.refused) return expect(passed.out.empty(), "nothing of a refused body goes on");
    json::Document document;
    // What has no list's name in it isn't read where none was asked for.
    expect((!asks_list && passed.out == input) || document.read(passed.out, lenient()), "what goes on is JSON");
    return check_message(passed.out, input, true);
  }
  mcp::EventSplitter splitter(passed.out.size() + 1);
  std::string_view left = passed.out;
  std::string joined;
  while (const auto block = splitter.next(left)) {
    const mcp::Event event = mcp::read_event(*block, joined);
    if (event.has_data) check_message(event.data, input, false);
  }
  const mcp::Event rest = mcp::read_event(splitter.rest(), joined);
  if (rest.has_data) check_message(rest.data, input, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto way = (data[0] & 1U) != 0 ? ResponseCourse::Way::events : ResponseCourse::Way::whole;
  const bool asks_list = (data[0] & 2U) != 0;
  const mcp::Era era = (data[0] & 4U) != 0 ? mcp::Era::modern : mcp::Era::legacy;
  const std::size_t piece = 1 + data[1] % 64U;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Run once = run(body, way, asks_list, era, body.size() + 1);
  const Run pieces = run(body, way, asks_list, era, piece);
  check(body, once, way, asks_list);
  check(body, pieces, way, asks_list);
  // One large piece may hold events that are told from it at once; how an answer ends is the same either way.
  if (body.size() <= most) {
    expect(once.refused == pieces.refused, "what is refused doesn't hang on the pieces");
    expect(once.out == pieces.out, "nor what goes on");
  }
  return 0;
}
