#include "agw/gateway/limit_events.h"

#include <algorithm>
#include <string>

namespace agw::gateway {

void LimitEvents::limit_crossed(const policy::Charge& charge, int percent) noexcept try {
  const std::string id = random_.hex(16);
  const std::string detail = charge.key + " at " + std::to_string(percent) + "%";
  std::string place = charge.limit->place;
  std::replace(place.begin(), place.end(), '|', ' ');  // of policy: `bundle|support`
  const std::string text = "The limit " + charge.limit->name + " of " + place + " has reached " +
                           std::to_string(percent) + " % of what it allows.";
  audit::Event event;
  event.id = id;
  event.time = clock_.now();
  event.type = "limit.threshold";
  event.decision = DecisionKind::allow;
  event.reason = Reason::allowed;
  event.detail = detail;
  event.text = text;
  audit_.note(event);
} catch (...) {
  log_.write(LogLevel::alert, "agent_audit: no memory for an audit line");
}

}  // namespace agw::gateway
