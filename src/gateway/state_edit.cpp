#include <utility>

#include "agw/base/encoding.h"
#include "agw/gateway/states.h"

#include "edits.h"
#include "handed_back.h"

namespace agw::gateway {
namespace {

constexpr std::string_view state_name = "requestState";

/// Seals what the backend wants back, before the agent sees it.
class StateEdit final : public Edit {
 public:
  StateEdit(Call& call, const States& states) : call_(call), states_(states) {}

  /// A backend that hides the name from this by escapes gets its own state refused when it comes back.
  [[nodiscard]] bool concerns(std::string_view text) const noexcept override {
    return text.find(state_name) != std::string_view::npos;
  }

  [[nodiscard]] std::optional<std::string_view> edit(const AnswerMessage& message,
                                                     response::Splices& splices) override {
    if (!message.is_response || !message.result) return std::nullopt;
    const auto state = message.result->member(state_name);
    if (!state) return std::nullopt;
    if (!state->is(json::Kind::string)) return "its requestState is no string";
    const auto asked =
        call_.state != nullptr ? std::optional(call_.state->asked) : asked_of(*call_.location, *call_.request);
    if (!asked) return "what its requestState is for can't be read";
    const Sha256 owner = owner_digest(*call_.principal, *call_.location);
    splices.replace(response::place_of(*state, message.text), state->raw().size(),
                    json_quoted(states_.seal(state->raw(), owner, *asked)));
    return std::nullopt;
  }

 private:
  Call& call_;
  const States& states_;
};

}  // namespace

std::unique_ptr<Edit> edit_of_states(Call& call, const States* states) {
  const bool may_come_back = call.category == mcp::Category::tool || call.category == mcp::Category::prompt ||
                             call.category == mcp::Category::resource;
  if (states == nullptr || !may_come_back || call.era != mcp::Era::modern || !binds(*call.location)) return nullptr;
  if (call.principal == nullptr || call.request == nullptr) return nullptr;
  return std::make_unique<StateEdit>(call, *states);
}

}  // namespace agw::gateway
