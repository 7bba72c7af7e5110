#include "tool_lists.h"

#include <algorithm>
#include <utility>

#include "edits.h"

namespace agw::gateway {
namespace {

const response::ToolListing* listing_of(const OperationRoute* route) noexcept {
  if (route == nullptr || route->tool_rules == nullptr || !route->tool_rules->listing) return nullptr;
  return &*route->tool_rules->listing;
}

const response::ToolListing* enforced_listing_of(const OperationRoute* route) noexcept {
  return route != nullptr && route->mode == Mode::enforce ? listing_of(route) : nullptr;
}

/// In the call's own answer as declared; in what else a stream brings, which may be any answer sent again, by form.
class ToolListEdit final : public Edit {
 public:
  ToolListEdit(ResponseCourse::Way way, Call& call, Seeing seeing)
      : way_(way), call_(call), seeing_(seeing), facts_(call.facts), own_(listings_of(call)) {}

  [[nodiscard]] bool concerns(std::string_view text) const noexcept override {
    return !own_.empty() || text.find(R"("result")") != std::string_view::npos ||
           text.find("\\u") != std::string_view::npos;
  }

  [[nodiscard]] std::optional<std::string_view> edit(const AnswerMessage& message,
                                                     response::Splices& splices) override {
    if (!message.is_response || !message.result) return std::nullopt;
    const auto id = message.root.member("id");
    const bool answers =
        !call_.rpc_id.empty() && (way_ == ResponseCourse::Way::whole || (id && id->raw() == call_.rpc_id));
    if (answers && own_.empty()) return std::nullopt;
    if (way_ == ResponseCourse::Way::events) facts_ = facts_now(call_, seeing_.store, std::move(facts_));
    const CallerSight sight(call_, facts_, seeing_.sights, seeing_.clock.now());
    if (answers) {
      for (const auto* listing : own_)
        if (auto flaw = edit_one(message, *listing, response::Certainty::own, sight, splices)) return flaw;
      return std::nullopt;
    }
    for (const std::uint32_t route : call_.location->listing_tools)
      if (auto flaw = edit_one(message, *listing_of(&call_.location->routes[route]), response::Certainty::by_form,
                               sight, splices))
        return flaw;
    return std::nullopt;
  }

 private:
  response::Flaw edit_one(const AnswerMessage& message, const response::ToolListing& listing,
                          response::Certainty certainty, const response::Sight& sight, response::Splices& splices) {
    response::Count count;
    auto flaw =
        response::edit_tool_listing(*message.result, message.text, listing, certainty, inner_, sight, splices, count);
    call_.items_shown += count.shown;
    call_.items_hidden += count.hidden;
    return flaw;
  }

  ResponseCourse::Way way_;
  Call& call_;
  Seeing seeing_;
  policy::FactsPtr facts_;
  std::vector<const response::ToolListing*> own_;
  json::Document inner_;
};

}  // namespace

std::vector<const response::ToolListing*> listings_of(const Call& call) {
  std::vector<const response::ToolListing*> out;
  if (const auto* own = enforced_listing_of(call.route)) out.push_back(own);
  if (call.further == nullptr) return out;
  for (const FurtherSubject& one : call.further->subjects)
    if (const auto* inner = enforced_listing_of(one.route)) out.push_back(inner);
  return out;
}

bool must_list_tools(const Call& call) noexcept {
  if (call.location->listing_tools.empty()) return false;
  if (enforced_listing_of(call.route) != nullptr) return true;
  return call.further != nullptr && std::ranges::any_of(call.further->subjects, [](const FurtherSubject& one) {
           return enforced_listing_of(one.route) != nullptr;
         });
}

unsigned listing_depth(const Location& location) noexcept {
  unsigned out = 0;
  for (const std::uint32_t route : location.listing_tools)
    out = std::max(out, response::acted_depth(*listing_of(&location.routes[route])));
  return out;
}

std::unique_ptr<Edit> edit_of_tool_lists(ResponseCourse::Way way, Call& call, Seeing seeing) {
  if (call.location->listing_tools.empty()) return nullptr;
  // Results are sent again where there are sessions (MCP 2025-11-25, "Resumability and Redelivery").
  const bool repeats =
      call.era == mcp::Era::legacy && (way == ResponseCourse::Way::events || call.type == "mcp.stream");
  if (!repeats && !must_list_tools(call)) return nullptr;
  return std::make_unique<ToolListEdit>(way, call, seeing);
}

}  // namespace agw::gateway
