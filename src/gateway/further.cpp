#include "further.h"

#include <algorithm>

#include "mcp_arguments.h"
#include "subject.h"

namespace agw::gateway {
namespace {

Result<std::optional<json::Value>, Reason> value_at(std::optional<json::Value> here, const ArgumentPath& path) {
  for (const std::string& part : path) {
    if (!here) return std::optional<json::Value>();
    if (!here->is(json::Kind::object)) return fail(Reason::argument_invalid);
    here = here->member(part);
  }
  return here;
}

/// Why a tool that a call names may not be called that way.
std::optional<Reason> unfit_inside(const OperationRoute& route) {
  // Whoever could nest tools could hide one from those who look only one deep.
  if (route.tool_rules != nullptr && route.tool_rules->inner) return Reason::argument_invalid;
  // What runs once for each key has the key in a place that only its own call has.
  if (route.idempotency != nullptr && route.mode == Mode::enforce) return Reason::idempotency_key_missing;
  return std::nullopt;
}

}  // namespace

Result<FurtherSubject, Reason> inner_of(const Location& location, const OperationRoute& route,
                                        std::optional<json::Value> arguments) {
  const InnerRule& rule = *route.tool_rules->inner;
  const auto name = value_at(arguments, rule.name);
  if (!name) return fail(name.error());
  if (!*name) return fail(Reason::argument_missing);
  if (!(*name)->is(json::Kind::string) || (*name)->text().empty()) return fail(Reason::argument_invalid);
  const auto inside = value_at(arguments, rule.arguments);
  if (!inside) return fail(inside.error());
  if (*inside && !(*inside)->is(json::Kind::object)) return fail(Reason::argument_invalid);
  FurtherSubject out;
  out.kind = mcp::SubjectKind::tool;
  out.name = (*name)->text();
  const Subject subject = subject_of(location, out.kind, out.name);
  out.route = subject.route;
  out.operation = operation_of(location, out.kind, out.name, subject);
  if (out.route != nullptr) out.failure = unfit_inside(*out.route);
  return out;
}

std::optional<json::Value> inner_arguments(const OperationRoute& route, std::optional<json::Value> arguments) {
  const auto found = value_at(arguments, route.tool_rules->inner->arguments);
  if (!found || !*found || !(*found)->is(json::Kind::object)) return std::nullopt;
  return *found;
}

void expand_further(const policy::Arguments& arguments, FurtherSubject& one) {
  if (one.failure || one.route == nullptr || !one.route->policy.resource) return;
  const auto made = one.route->policy.resource->expand(arguments, one.resource);
  if (made) return;
  one.resource.clear();
  one.failure = made.error();
}

void add_inner(const Location& location, std::optional<json::Value> arguments, Call& call,
               std::optional<Reason>& failure) {
  auto inner = inner_of(location, *call.route, arguments);
  if (!inner) {
    if (!failure) failure = inner.error();
    return;
  }
  expand_further(McpArguments(inner_arguments(*call.route, arguments)), *inner);
  call.further = std::make_unique<Further>();
  call.further->subjects.push_back(*std::move(inner));
}

bool enforces_any(const Location& location, const Further& further) {
  return std::ranges::any_of(further.subjects, [&](const FurtherSubject& one) {
    return (one.route != nullptr ? one.route->mode : location.mode) == Mode::enforce;
  });
}

bool agree_on_exchange(const Location& location, const Further& further) {
  const auto own_of = [&](const FurtherSubject& one) -> const outbound::ExchangeSpec* {
    if (one.route != nullptr && one.route->exchange) return &*one.route->exchange;
    return location.exchange ? &*location.exchange : nullptr;
  };
  const outbound::ExchangeSpec* const first = own_of(further.subjects.front());
  return std::ranges::all_of(further.subjects, [&](const FurtherSubject& one) {
    const outbound::ExchangeSpec* const own = own_of(one);
    return own == first || (own != nullptr && first != nullptr && own->key == first->key);
  });
}

void take_exchange(Call& call) {
  for (const FurtherSubject& one : call.further->subjects)
    if (one.route != nullptr && one.route->exchange) call.exchange = &*one.route->exchange;
}

}  // namespace agw::gateway
