"""How a call is judged."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
EVALUATE = "src/policy/evaluate.cpp"
OPERATION = "src/gateway/operation.cpp"
CONDITION = "src/model/condition.cpp"
CONDITIONS = "src/policy/conditions.cpp"
DETAILS = "src/gateway/call_details.cpp"
MESSAGE = "src/mcp/message.cpp"

ALL = [
    Mutation("the exchange isn't awaited", [
        (GATEWAY, "auto credential = co_await provide_credential(call);",
         "static_cast<void>(provide_credential(call));\n  const Result<void, Reason> credential;")],
        ["test_exchange.py"]),
    Mutation("a denial is forwarded", [
        (GATEWAY, "if (!call.decision.allowed() && call.enforced) {\n    call.claim = nullptr;\n",
         "if (call.decision.reason == Reason::internal_error) {\n    call.claim = nullptr;\n")], ["test_decision.py"]),
    Mutation("what can't be understood passes", [
        (GATEWAY, "if (asked.refusal) co_return conclude(location, request, call, deny(*asked.refusal));", "")],
        ["test_mcp_transport.py"]),
    Mutation("a store that doesn't answer allows", [
        (GATEWAY, "if (!facts) co_return conclude(location, request, call, deny(facts.error().reason));",
         "call.decision.kind = DecisionKind::allow;\n  if (!facts) co_return conclude(location, request, call);")],
        ["test_redis_store.py"]),
    Mutation("an event that can't be begun is ignored", [
        (GATEWAY, "if (!begin_record(request, call) && call.enforced) call.decision =",
         'if (!begin_record(request, call) && call.rpc_id == "never") call.decision =')], ["test_audit_disk.py"]),
    Mutation("the handshake may use an exchange beyond the caller's scopes", [
        ("src/gateway/handshake.cpp", "if (covers(*call.principal, call.exchange->scopes)) return decision;",
         "return decision;")], ["test_exchange.py"]),
    Mutation("the gateway asks for more than the caller has", [
        (GATEWAY, "if (beyond) call.exchange = nullptr;", "static_cast<void>(beyond);")],
        ["test_observe.py", "test_exchange.py"]),
    Mutation("a foreign origin may call", [
        ("src/gateway/origin.cpp",
         "return std::find(location.origins.begin(), location.origins.end(), origin) != location.origins.end();",
         "return true;")], ["test_discovery.py"]),
    Mutation("the user's verdict is ignored", [
        (EVALUATE, "judgement.add(Check::user, user);", "judgement.add(Check::user, Finding());")],
        ["test_decision.py"], True),
    Mutation("a denial among the agent's grants is ignored", [
        (EVALUATE, "if (grants.denied) out.agent = first(out.agent, Reason::agent_grant_denied);", "")],
        ["test_decision.py"], True),
    Mutation("a grant that has ended counts", [
        (EVALUATE, "(!grant.until || now < *grant.until)", "(!grant.until || now.time_since_epoch().count() > 0)")],
        ["test_decision.py"], True),
    Mutation("a disabled agent may list and shake hands", [
        (EVALUATE, "out.agent = check_agent_standing(question, facts);",
         "if (question.route != nullptr) out.agent = check_agent_standing(question, facts);")], ["test_decision.py"], True),
    Mutation("an argument's * is a wildcard", [
        ("src/policy/resource_template.cpp", "append_encoded_part(out, *value);", "out += *value;")],
        ["test_mcp_operations.py"]),
    Mutation("everybody may be observed through an enforced tool", [
        (GATEWAY, "if (call.route != nullptr) return call.route->mode == Mode::enforce;",
         "if (call.route != nullptr) return call.route->mode == Mode::enforce && location.mode == Mode::enforce;")],
        ["test_observe.py"]),
    Mutation("a disconnected delegation counts", [
        (EVALUATE, "if (facts.delegation != nullptr && facts.delegation->status == DelegationStatus::disconnected)",
         "if (facts.delegation != nullptr && facts.agent == nullptr)")], ["test_decision.py"], True),
    Mutation("a frozen operation runs", [
        (EVALUATE, "if (operation->frozen) return Reason::operation_frozen;", "")],
        ["test_decision.py"], True),
    Mutation("an operation runs outside its window", [
        (EVALUATE, "if (!conditions.is_open(*operation)) return Reason::outside_window;",
         "static_cast<void>(conditions);")], ["test_conditions.py"], True),
    Mutation("a window's last second lasts too long", [
        ("src/model/window.cpp", "local.second >= begin_ && local.second < end_;",
         "local.second >= begin_ && local.second <= end_;")]),
    Mutation("a night belongs to the day on which it ends", [
        ("src/model/window.cpp", "(is_day((local.weekday + 6) % 7) && local.second < end_)",
         "(is_day(local.weekday) && local.second < end_)")]),
    Mutation("a route's condition isn't asked", [
        (EVALUATE, "if (required != nullptr) policy = first(policy, Reason::condition_failed);", "")],
        ["test_conditions.py"], True),
    Mutation("only the first of a route's conditions is asked", [
        (EVALUATE, "if (!conditions.lets_pass(condition.get())) return condition.get();",
         "return conditions.lets_pass(condition.get()) ? nullptr : condition.get();")], ["test_conditions.py"]),
    Mutation("a grant counts whatever its condition says", [
        (EVALUATE, "conditions.lets_pass(grant.when.get()) ? unmet_of_holder() : grant.when.get();", "unmet_of_holder();")],
        ["test_conditions.py"], True),
    Mutation("a bundle's condition isn't asked", [
        (EVALUATE, "conditions.lets_pass(grant.when.get()) ? unmet_of_holder() : grant.when.get();",
         "conditions.lets_pass(grant.when.get()) ? (static_cast<void>(unmet_of_holder), nullptr) : grant.when.get();")], ["test_conditions.py"], True),
    Mutation("a parent's condition isn't asked", [
        ("src/policy/package.cpp", "for (const HeldBundle* each : package_of(held, bundle))\n      if (has_condition",
         "for (const HeldBundle* each : {&bundle})\n      if (has_condition")], ["test_conditions.py"], True),
    Mutation("a denial that can't be judged is forgotten", [
        (CONDITIONS, "return truth != Truth::no && !(truth == Truth::open",
         "return truth == Truth::yes && !(truth == Truth::open")],
        ["test_conditions.py"], True),
    Mutation("a grant whose condition can't be judged counts", [
        (CONDITIONS, "return truth == Truth::yes || (truth == Truth::open",
         "return truth != Truth::no || (truth == Truth::open")],
        ["test_conditions.py"], True),
    Mutation("what is absent is true when it is denied", [
        (CONDITION, "return is_settled(inner) ? truth_of(inner == Truth::no) : inner;",
         "return truth_of(inner != Truth::yes);")],
        ["test_conditions.py"]),
    Mutation("what is absent is unequal to everything", [
        (CONDITION, "if (side->knowledge == Knowledge::absent) return Truth::absent;\n  for (const Scalar* side : {&left, &right})\n"
         "    if (side->knowledge == Knowledge::open) return Truth::open;\n  return truth_of((left.text",
         "if (side->knowledge == Knowledge::absent) return truth_of(node.op != Op::same_text);\n"
         "  for (const Scalar* side : {&left, &right})\n"
         "    if (side->knowledge == Knowledge::open) return Truth::open;\n  return truth_of((left.text")], ["test_conditions.py"]),
    Mutation("a number may be written in many ways", [
        (CONDITION,
         "if (digits.empty() || (digits.front() == '0' && (digits.size() > 1 || text.size() > 1))) return std::nullopt;",
         "if (digits.empty()) return std::nullopt;")]),
    Mutation("who authenticates in the future is fresh", [
        (CONDITIONS, "if (age < -furthest_ahead) return {};", "if (age < -furthest_ahead * 1'000'000) return {};")], ["test_conditions.py"]),
    Mutation("a look-alike of an argument isn't one", [
        (DETAILS, "if (!inner && here->has_lookalike_of(path[i])) return {.certain = false};", "")], ["test_conditions.py"]),
    Mutation("the first of two query parameters counts", [
        (DETAILS, "if (out.text) return {.certain = false};", "if (out.text) return out;")],
        ["test_conditions.py"]),
    Mutation("an IPv4 address inside IPv6 is in no network of IPv4", [
        ("src/model/network.cpp", "out[10] = out[11] = 0xFF;", "out[10] = out[11] = 0xFE;")], ["test_conditions.py"]),
    Mutation("a window that can't be read is none", [
        ("src/grants/redis_codec.cpp", 'if (windows->empty()) return wrong(key, "windows", "is empty");', "")],
        ["test_conditions.py"]),
    Mutation("a tier's ceiling is open", [
        (EVALUATE, "if (!within_ceiling) out.agent = first(out.agent, Reason::tier_ceiling);", "")],
        ["test_decision.py"], True),
    Mutation("a grant for some is a grant for all", [
        (EVALUATE, "if (!is_for(grant, question.principal, facts)) return;",
         "static_cast<void>(is_for(grant, question.principal, facts));")], ["test_decision.py"], True),
    Mutation("a grant on one resource allows a call that names none", [
        (EVALUATE, "return !resource.empty() && matches(*grant.resource, resource);",
         "return resource.empty() || matches(*grant.resource, resource);")], ["test_decision.py"], True),
    Mutation("a quarantined agent works", [
        (EVALUATE, "if (facts.agent != nullptr && facts.agent->status == Status::quarantined) return",
         "if (false) return")], ["test_decision.py"], True),
    Mutation("a pattern's star matches in the middle of a word", [
        ("src/model/pattern.cpp", "return before == ':' || before == '/' || before == '.';",
         "return before != ' ';")], ["test_decision.py"], True),
    Mutation("a hidden tool can be told from an unknown one", [
        ("src/gateway/refusal.cpp",
         "if (why.disposition == Disposition::denied && is_hidden(location, decision)) return",
         "if (why.disposition == Disposition::denied && is_hidden(location, decision) && decision.allowed()) return")],
        ["test_decision.py"]),
    Mutation("a header that rewrites the method passes", [
        (OPERATION, "  return found;\n}\n\nUnderstanding understand_rest(", "  return {};\n}\n\nUnderstanding understand_rest(")],
        ["test_rest.py"]),
    Mutation("a parameter that stands twice is judged by its first", [
        (OPERATION, "if (repeats(templates, query)) return refused(Reason::query_repeated);",
         "static_cast<void>(&repeats);")], ["test_rest.py"]),
    Mutation("a compressed body is judged by its bytes", [
        (OPERATION, 'if (request.headers().count("content-encoding") > 0) return refused(Reason::encoding_refused);',
         ""),
        (MESSAGE, "if (fields_.content_encoding.sent() && fields_.content_encoding.value != identity) return",
         'if (fields_.content_encoding.value == "none" && identity.empty()) return')],
        ["test_rest.py", "test_mcp_transport.py"]),
    Mutation("a call without an id is a notification", [
        (MESSAGE, "if (notification && message_.category != Category::notify)",
         "if (notification && known == nullptr)")], ["test_mcp_operations.py"]),
]
