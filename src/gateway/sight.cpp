#include "sight.h"

#include <utility>

#include "agw/policy/evaluate.h"

#include "subject.h"

namespace agw::gateway {
namespace {

template <class T>
bool same(const std::weak_ptr<T>& held, const std::shared_ptr<T>& now) {
  // By owner: memory that was given back and used again has another one.
  return !held.owner_before(now) && !now.owner_before(held);
}

mcp::SubjectKind kind_of(response::Listed what) {
  switch (what) {
    case response::Listed::tool: return mcp::SubjectKind::tool;
    case response::Listed::prompt: return mcp::SubjectKind::prompt;
    case response::Listed::resource: return mcp::SubjectKind::resource;
    case response::Listed::resource_template: return mcp::SubjectKind::resource_template;
  }
  return mcp::SubjectKind::none;
}

const OperationRoute* route_of(const Location& location, response::Listed what, std::string_view name) {
  return subject_of(location, kind_of(what), name).route;
}

}  // namespace

std::vector<RouteSights::Seen>& RouteSights::of(const Location& location, const PrincipalPtr& principal,
                                                const policy::FactsPtr& facts) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->location != &location || !same(entry->facts, facts) || !same(entry->principal, principal)) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->seen;
  }
  if (entries_.size() >= most) entries_.pop_back();
  entries_.push_front({&location, principal, facts, std::vector<Seen>(location.routes.size())});
  return entries_.front().seen;
}

policy::FactsPtr facts_now(const Call& call, grants::Store& store, policy::FactsPtr known) {
  if (call.principal == nullptr) return known;
  auto asking = store.facts(call.principal, {});
  if (!asking.ready()) return known;
  if (auto facts = asking.take()) return *std::move(facts);
  return known;
}

CallerSight::CallerSight(const Call& call, const policy::FactsPtr& facts, RouteSights& sights, WallTime now)
    : call_(call), facts_(facts), now_(now) {
  if (call.principal != nullptr && facts != nullptr) seen_ = &sights.of(*call.location, call.principal, facts);
}

bool CallerSight::sees(const OperationRoute& route) const {
  if (route.mode != Mode::enforce) return true;
  if (seen_ == nullptr) return false;
  auto& seen = (*seen_)[static_cast<std::size_t>(&route - call_.location->routes.data())];
  if (seen == RouteSights::Seen::unknown) {
    policy::Question question{.principal = *call_.principal};
    question.route = &route.policy;
    question.delegation = call_.location->delegation;
    question.now = now_;
    seen = policy::evaluate(question, *facts_).visible ? RouteSights::Seen::visible : RouteSights::Seen::hidden;
  }
  return seen == RouteSights::Seen::visible;
}

bool CallerSight::shows(response::Listed what, std::string_view name) const {
  const OperationRoute* const route = route_of(*call_.location, what, name);
  return route == nullptr ? call_.location->mode != Mode::enforce : sees(*route);
}

bool CallerSight::hides(response::Listed what, std::string_view name) const {
  const OperationRoute* const route = route_of(*call_.location, what, name);
  return route != nullptr && !sees(*route);
}

}  // namespace agw::gateway
