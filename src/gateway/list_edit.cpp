#include <utility>

#include "agw/response/listing.h"

#include "edits.h"

namespace agw::gateway {
namespace {

class ListEdit final : public Edit {
 public:
  ListEdit(ResponseCourse::Way way, unsigned items, Call& call, Seeing seeing)
      : way_(way), items_(items), call_(call), seeing_(seeing), facts_(call.facts) {}

  [[nodiscard]] unsigned looks_for() const noexcept override { return items_; }
  [[nodiscard]] bool concerns(std::string_view text) const noexcept override {
    return call_.category == mcp::Category::list || response::may_hold(items_, text);
  }

  [[nodiscard]] std::optional<std::string_view> edit(const AnswerMessage& message,
                                                     response::Splices& splices) override {
    if (!message.is_response || !message.result) return edit_notice(message, splices);
    const bool answers_list = call_.category == mcp::Category::list;
    const auto id = message.root.member("id");
    const bool own = way_ == ResponseCourse::Way::whole || (id && id->raw() == call_.rpc_id);
    if (answers_list && own && !response::lists_what(call_.mcp_method, *message.result))
      return "it isn't the list that was asked for";
    if (way_ == ResponseCourse::Way::events) facts_ = facts_now(call_, seeing_.store, std::move(facts_));
    const CallerSight sight(call_, facts_, seeing_.sights, seeing_.clock.now());
    response::Caching caching;
    caching.required = answers_list && call_.era == mcp::Era::modern;
    caching.most_ms = call_.location->list_ttl.count();
    response::Count count;
    const json::Value& result = *message.result;
    auto flaw = response::edit_lists(result, message.text, sight, caching, splices, count);
    if (!flaw && (items_ & response::links) != 0) flaw = edit_all_links(result, message.text, sight, splices, count);
    if (!flaw && (items_ & response::completions) != 0)
      flaw = response::edit_completion(result, message.text, sight, splices, count);
    call_.items_shown += count.shown;
    call_.items_hidden += count.hidden;
    return flaw;
  }

 private:
  /// Of a look at a task, what its call has come to is filtered as that call's answer (2026-07-28, extension Tasks).
  static response::Flaw edit_all_links(const json::Value& result, std::string_view text, const CallerSight& sight,
                                       response::Splices& splices, response::Count& count) {
    if (auto flaw = response::edit_links(result, text, sight, splices, count)) return flaw;
    const auto inner = result.member("taskId") ? result.member("result") : std::nullopt;
    return inner ? response::edit_links(*inner, text, sight, splices, count) : std::nullopt;
  }

  /// The same where a stream tells of it.
  std::optional<std::string_view> edit_notice(const AnswerMessage& message, response::Splices& splices) {
    const auto method = message.root.member("method");
    const auto params = message.root.member("params");
    if ((items_ & response::links) == 0 || !method || method->text() != "notifications/tasks" || !params)
      return std::nullopt;
    const auto inner = params->member("result");
    if (!inner) return std::nullopt;
    if (way_ == ResponseCourse::Way::events) facts_ = facts_now(call_, seeing_.store, std::move(facts_));
    const CallerSight sight(call_, facts_, seeing_.sights, seeing_.clock.now());
    response::Count count;
    auto flaw = response::edit_links(*inner, message.text, sight, splices, count);
    call_.items_shown += count.shown;
    call_.items_hidden += count.hidden;
    return flaw;
  }

  ResponseCourse::Way way_;
  unsigned items_;
  Call& call_;
  Seeing seeing_;
  policy::FactsPtr facts_;
};

/// Where the location says nothing of resources, links to them are the backend's own matter.
bool governs_resources(const Location& location) { return !location.resources.empty(); }

}  // namespace

std::unique_ptr<Edit> edit_of_lists(ResponseCourse::Way way, Call& call, Seeing seeing) {
  const bool is_stream = call.type == "mcp.stream";
  unsigned items = 0;
  // Any result may be sent again on any stream (MCP 2025-11-25, "Resumability and Redelivery"); a body answers its own
  // request.
  if (way == ResponseCourse::Way::events || is_stream || call.category == mcp::Category::list) items |= response::lists;
  if (call.mcp_method == "resources/directory/read") items |= response::lists;
  const bool may_link = opens_stream(call) || call.category == mcp::Category::tool ||
                        call.category == mcp::Category::prompt || call.category == mcp::Category::task;
  if (governs_resources(*call.location) && may_link) items |= response::links;
  if (is_stream || call.category == mcp::Category::completion) items |= response::completions;
  return items == 0 ? nullptr : std::make_unique<ListEdit>(way, items, call, seeing);
}

}  // namespace agw::gateway
