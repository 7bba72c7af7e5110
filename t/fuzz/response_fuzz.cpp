// The course of a response over what a backend answers, whole or as a stream, in whatever pieces. The input's first
// byte says which of them, the second how large the pieces are; the rest is the body.
#include <array>
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

using Text = response::ToolListing::Text;
constexpr std::array forms{Text::same, Text::array, Text::items};

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
    for (const auto text : forms) {
      OperationRoute route;
      route.policy.operation = "t/search";
      auto rules = std::make_shared<ToolRules>();
      rules->listing = response::ToolListing{{"found"}, {"name"}, text, false};
      route.tool_rules = std::move(rules);
      out.listing_tools.push_back(static_cast<std::uint32_t>(out.routes.size()));
      out.routes.push_back(std::move(route));
    }
    return out;
  }();
  return made;
}

/// What is asked: nothing, a list, or one of the tools that list others.
struct Asked {
  bool list = false;
  const OperationRoute* search = nullptr;
};

struct Run {
  std::string out;
  bool refused = false;
};

/// Whoever lists is nobody here: what is enforced is hidden from it.
Run run(std::string_view body, ResponseCourse::Way way, Asked asked, mcp::Era era, std::size_t piece) {
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
  call.type = asked.list ? "mcp.tools.list" : asked.search != nullptr ? "mcp.tools.call" : "mcp.stream";
  call.category = asked.list                ? mcp::Category::list
                  : asked.search != nullptr ? mcp::Category::tool
                                            : mcp::Category::session;
  call.mcp_method = asked.list ? std::string_view("tools/list") : std::string_view();
  call.route = asked.search;
  call.speaks_rpc = asked.list || asked.search != nullptr;
  if (call.speaks_rpc) call.rpc_id = "1";
  Edits edits;
  if (auto lists = edit_of_lists(way, call, {clock, store, sights})) edits.push_back(std::move(lists));
  if (auto tools = edit_of_tool_lists(way, call, {clock, store, sights})) edits.push_back(std::move(tools));
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

bool is_seen(std::string_view name) { return name == "seen" || name == "shown"; }

/// Of a list in a tool's answer: no name that isn't visible, and where it is this tool's, nothing without a name.
void check_found(const std::optional<json::Value>& list, bool own) {
  if (!list || !list->is(json::Kind::array)) return expect(!own, "it has a list");
  for (const json::Value item : *list) {
    const auto name = item.member("name");
    const bool named = name && name->is(json::Kind::string) && !name->text().empty();
    expect(named ? is_seen(name->text()) : !own, "only what may be seen is found");
  }
}

void check_texts(const json::Value& content, Text form, bool own) {
  for (const json::Value block : content) {
    const auto text = block.member("text");
    const auto type = block.member("type");
    if (!text || !text->is(json::Kind::string) || !type || type->text() != "text") {
      expect(!own, "its content is text");
      continue;
    }
    json::Document document;
    const auto root = document.read(text->text(), lenient());
    if (!root) {
      expect(!own, "its text is JSON");
      continue;
    }
    if (form == Text::same) check_found(root->member("found"), own);
    if (form == Text::array) check_found(*root, own);
  }
}

void check_search(const json::Value& root, const OperationRoute& search, bool whole) {
  const auto id = root.member("id");
  const bool own = whole || (id && id->raw() == "1");
  const auto result = root.member("result");
  if (!own || !result) return;
  if (const auto structured = result->member("structuredContent")) check_found(structured->member("found"), own);
  if (const auto content = result->member("content")) check_texts(*content, search.tool_rules->listing->text, own);
}

/// No item that isn't visible; what stays is as it came.
void check_message(std::string_view text, std::string_view input, Asked asked, bool whole) {
  json::Document document;
  const auto root = document.read(text, lenient());
  if (!root) return;
  const auto result = root->member("result");
  if (!result || root->member("method")) return;
  if (asked.search != nullptr) check_search(*root, *asked.search, whole);
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

void check(std::string_view input, const Run& passed, ResponseCourse::Way way, Asked asked) {
  if (way == ResponseCourse::Way::whole) {
    if (passed.refused) return expect(passed.out.empty(), "nothing of a refused body goes on");
    json::Document document;
    // What has no list's name in it isn't read where none was asked for.
    expect((!asked.list && passed.out == input) || document.read(passed.out, lenient()), "what goes on is JSON");
    return check_message(passed.out, input, asked, true);
  }
  mcp::EventSplitter splitter(passed.out.size() + 1);
  std::string_view left = passed.out;
  std::string joined;
  while (const auto block = splitter.next(left)) {
    const mcp::Event event = mcp::read_event(*block, joined);
    if (event.has_data) check_message(event.data, input, asked, false);
  }
  const mcp::Event rest = mcp::read_event(splitter.rest(), joined);
  if (rest.has_data) check_message(rest.data, input, asked, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto way = (data[0] & 1U) != 0 ? ResponseCourse::Way::events : ResponseCourse::Way::whole;
  Asked asked{.list = (data[0] & 2U) != 0};
  if (!asked.list && (data[0] & 8U) != 0)
    asked.search = &location().routes[location().listing_tools[(data[0] >> 4U) % forms.size()]];
  const mcp::Era era = (data[0] & 4U) != 0 ? mcp::Era::modern : mcp::Era::legacy;
  const std::size_t piece = 1 + data[1] % 64U;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Run once = run(body, way, asked, era, body.size() + 1);
  const Run pieces = run(body, way, asked, era, piece);
  check(body, once, way, asked);
  check(body, pieces, way, asked);
  // One large piece may hold events that are told from it at once; how an answer ends is the same either way.
  if (body.size() <= most) {
    expect(once.refused == pieces.refused, "what is refused doesn't hang on the pieces");
    expect(once.out == pieces.out, "nor what goes on");
  }
  return 0;
}
