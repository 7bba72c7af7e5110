"""What Redis holds, what of it is copied, and what is counted."""
from mutation import Mutation

STRICT = "src/grants/redis_store.cpp"
TRIP = "src/grants/trip.cpp"
GATHER = "src/grants/gather.cpp"
COPYING = "src/grants/copying_store.cpp"
COPY = "src/grants/copy.cpp"
COMPILED = "src/grants/compiled_policy.cpp"
PACKAGE = "src/policy/package.cpp"
CHANNEL = "src/grants/channel.cpp"
SENTINEL = "src/grants/sentinel.cpp"
CLUSTER = "src/grants/cluster.cpp"
NEXT = "include/agw/io/next_flight.h"
SERVER = "src/grants/server.cpp"
BREAKERS = "src/gateway/breakers.cpp"
BREAKER_TABLE = "src/limits/breaker_table.cpp"

ALL = [
    Mutation("a Redis that went back is believed", [
        (STRICT, "behind = !attention.past->admits(principal->tenant, inquiry.meta());",
         "static_cast<void>(attention.past->admits(principal->tenant, inquiry.meta()));"),
        (COPYING, "if (!past.admits(tenant, meta)) {", "if (!past.admits(tenant, meta) && tenant.empty()) {")],
        ["test_redis_store.py"]),
    Mutation("a Redis without meta is believed", [
        (TRIP, 'if (!*meta) return fail(CodecError{"key " + key + " is missing"});', "if (!*meta) return Meta();")],
        ["test_redis_store.py"]),
    Mutation("half of an old policy and half of a new one", [
        (STRICT, "moved_ = !answer->believable || !answer->of(*meta_);", "moved_ = !answer->believable;"),
        (COPYING, "if (!answer->of(meta->meta)) {", "if (!answer->of(meta->meta) && tenant.empty()) {")],
        ["test_redis_store.py"]),
    Mutation("a revoked token passes", [
        (GATHER, "if (need<Present>(RecordKind::revoked, name) != nullptr) facts_.token_revoked = true;",
         "static_cast<void>(need<Present>(RecordKind::revoked, name));")], ["test_redis_store.py"]),
    Mutation("a bundle that a tier no longer has counts", [
        ("src/grants/gather.h", "bundles_[tier_key] = names;", "bundles_.emplace(tier_key, names);"),
        (GATHER, "    for (const auto& name : facts_.tier->bundles) hold(name);",
         '    for (const auto& name : *hints_.find(key("tier:", std::string(*tier_)))) hold(name);')],
        ["test_redis_store.py"]),
    Mutation("a replica is believed", [
        (SERVER, 'role != "master"', 'role == "sentinel"')], ["test_copy.py", "test_redis_store.py"]),
    Mutation("a copy is used after the lease", [
        ("src/grants/channel.h", "return now < until_;", "return until_ != SteadyTime::min() && now != until_;")],
        ["test_copy.py"]),
    Mutation("a write that Redis tells of is not heard", [
        (CHANNEL, "    stripes_.move(key.text);", "    static_cast<void>(key.text);")], ["test_copy.py"]),
    Mutation("a flush is not heard", [
        (CHANNEL, "if (content.type == RedisReply::Type::nil) return stripes_.move_all();",
         "if (content.type == RedisReply::Type::nil) return;")], ["test_copy.py"]),
    Mutation("what was read before a new line was there is believed", [
        (CHANNEL, "  stripes_.hear_again();\n  ++connects_;", "  ++connects_;"),
        (CHANNEL, "  broken_ = true;\n  stripes_.go_deaf();", "  broken_ = true;")], ["test_copy.py"]),
    Mutation("an answer that a write has overtaken is kept", [
        (COPYING, "Copied copied{record, noted[i], end_of(sent, answer.left[i])};",
         "static_cast<void>(noted);\n      Copied copied{record, stripes.stamp(wants[i].key), "
         "end_of(sent, answer.left[i])};")], ["test_copy.py"]),
    Mutation("a copy outlives its key's own end", [
        (COPYING, "SteadyTime out = left ? sent + *left : SteadyTime::max();",
         "SteadyTime out = left && left->count() == 0 ? sent : SteadyTime::max();")], ["test_copy.py"]),
    Mutation("strict believes a heartbeat that was sent before the call began", [
        (NEXT, "      state->aboard.swap(state->waiting);\n      std::optional<T> value;", "      std::optional<T> value;"),
        (NEXT, "      land(*state, value, crash);", "      state->aboard.swap(state->waiting);\n"
               "      land(*state, value, crash);")], ["test_copy.py"]),
    Mutation("a write that was told of leaves the facts that were made before", [
        (COPY, "if (facts.moves == stripes_.moves()) return known;", "return known;")], ["test_copy.py"]),
    Mutation("strict asks nobody", [
        (COPYING, "if (state.settings.freshness.mode == Freshness::Mode::strict)\n",
         "if (state.settings.freshness.mode == Freshness::Mode::strict && operation.empty())\n")], ["test_copy.py"]),
    Mutation("one Sentinel decides who the master is", [
        (SENTINEL, "if (2 * votes > sentinels_) return &place;", "if (votes > 0) return &place;")], ["test_sentinel.py"]),
    Mutation("whatever the Sentinels name is a master", [
        (SENTINEL, 'reply.elements.front().text == "master"', "!reply.elements.front().text.empty()")],
        ["test_sentinel.py"]),
    Mutation("a promoted replica that lacks a write is believed", [
        ("src/grants/past.cpp", "return server.former == known.replid && server.continued_from > known.offset;",
         "return server.former == known.replid;")], ["test_sentinel.py"]),
    Mutation("who is connected stays with a deposed master", [
        ("src/nginx/adapters/redis.cpp", "if (state_ != State::ready || where_ == place) return;",
         "if (state_ != State::ready || where_ != grants::RedisPlace()) return;")], ["test_sentinel.py"]),
    Mutation("copies count while the slot of a Cluster is being moved", [
        (COPYING, "if (host.slot != nullptr && !host.slot->lies_still(now, settings.freshness.bound)) return false;",
         "")], ["test_cluster.py"]),
    Mutation("a slot is taken to lie still until something is asked for where it went", [
        (CLUSTER, "if (at == round.probe) {\n", "if (at == round.probe) {\n    round.moving_to.clear();\n")],
        ["test_cluster.py"]),
    Mutation("what a slot's keys were moved to and left at isn't missed", [
        ("src/grants/past.cpp", "return slot.witness >= known.witness && !stranded;",
         "return slot.witness >= known.witness && (!stranded || true);")], ["test_cluster.py"]),
    Mutation("a node of a Cluster that lacks a write is believed", [
        ("src/grants/past.cpp", "return slot.witness >= known.witness && !stranded;", "return !stranded;")],
        ["test_cluster.py"]),
    Mutation("the wrong side of a cut Cluster is believed", [
        (CLUSTER, "if (!serves(replies.back())) return fail(", "if (!serves(replies.back()) && replies.empty()) return fail(")],
        ["test_cluster.py"]),
    Mutation("what is asked behind a refusal overtakes it", [
        (CLUSTER, "      if (refused) break;\n", "      if (refused) continue;\n")], ["test_cluster.py"]),
    Mutation("a node that has lost a slot is asked on", [
        (CLUSTER, "      flow_->leaving = true;\n", "")],
        ["test_cluster.py"]),
    Mutation("a call is asked for where another tenant's keys are", [
        (CLUSTER, "return found == tenants_.end() ? nullptr : found->second;",
         "return tenants_.empty() || found == tenants_.end() ? nullptr : tenants_.begin()->second;")],
        ["test_cluster.py"]),
    Mutation("the Redis that tells may be another than the one that answers", [
        (COPYING, "return channel && channel->live(now) && (server.run_id().empty() || "
                  "server.run_id() == channel->run_id());", "return channel && channel->live(now);")], ["test_copy.py"]),
    Mutation("what a limited call uses up isn't taken", [
        ("src/gateway/gateway.cpp", "if (is_limited(call)) {",
         'if (is_limited(call) && call.rpc_id == "never") {')],
        ["test_limits.py"]),
    Mutation("an agent whose breaker is open is heard", [
        (BREAKERS, "  if (!gate.held_by) return;", "  if (!gate.held_by || gate.wait) return;")], ["test_breakers.py"]),
    Mutation("a breaker opens for whoever calls often", [
        (BREAKER_TABLE, "mark == Mark::bad && counted >= breaker.least && bad * 100 >= breaker.percent * counted",
         "counted >= breaker.least")], ["test_breakers.py"]),
    Mutation("everybody tries a backend that failed", [
        (BREAKER_TABLE, "entry->state == BreakerState::half_open && entry->trying == watch.id",
         "entry->state == BreakerState::half_open && watch.id != 0")], ["test_breakers.py"]),
    Mutation("a client that leaves trips the backend's breaker", [
        (BREAKERS, "  if (completion.upstream_status != 0) return",
         "  if (completion.status == 499) return Mark::bad;\n  if (completion.upstream_status != 0) return")],
        ["test_breakers.py"]),
    Mutation("what is only observed trips breakers", [
        (BREAKERS, 'enforced ? "breaker:" : "observed:breaker:"', 'enforced ? "breaker:" : "breaker:"')],
        ["test_breakers.py"]),
    Mutation("a breaker that was opened by hand holds nobody", [
        ("src/policy/evaluate.cpp", "if (is_open(facts.breaker, question.now)) return",
         "if (is_open(facts.breaker, question.now) && facts.agent == nullptr) return")], ["test_breakers.py"]),
    Mutation("an old closing by hand closes every later trip", [
        (BREAKER_TABLE, "closed_ago && closed_ago->count() < now - entry->tripped", "closed_ago.has_value()")],
        ["test_breakers.py"]),
    Mutation("a policy that doesn't name a breaker closes it", [
        ("src/agwctl/apply.cpp", 'if (name.starts_with("breaker:") ||', 'if (name.starts_with("breaker: ") ||')], ["test_breakers.py"]),
    Mutation("a call beyond its limits is forwarded", [
        ("src/gateway/consumption.cpp", "if (!usage.refusal) return decision;",
         "if (!usage.refusal || decision.allowed()) return decision;")], ["test_limits.py"]),
    Mutation("what policy limits isn't taken", [
        ("src/gateway/consumption.h", "!call.facts->limits.empty());", "call.facts->limits.size() > 1000);")],
             ["test_policy_limits.py"]),
    Mutation("a client that doesn't close its side keeps its place", [
        ("src/nginx/request/response.cpp", "context.last_passed && r->out == nullptr) context.call().usage->end();",
         "context.last_passed && r->out == nullptr && r->main_conf == nullptr) context.call().usage->end();")],
             ["test_limits.py"]),
    Mutation("a place is free before the answer has gone out", [
        ("src/nginx/request/response.cpp", "if (result == NGX_OK && context.last_passed && r->out == nullptr)",
         "if (result != NGX_ERROR)")], ["test_limits.py"]),
    Mutation("a parent's limit doesn't hold for who has the child", [
        (PACKAGE, "each != nullptr; each = parent_of(held, *each)) {", "each != nullptr; each = nullptr) {\n"
                  "    static_cast<void>(parent_of(held, *each));")], ["test_policy_limits.py"]),
    Mutation("a bundle's limit holds for whatever else its agent does", [
        (PACKAGE, "return names(*each, operation); }))",
         "return names(*each, operation) && operation.empty(); }) && held.empty())")],
        ["test_policy_limits.py"]),
    Mutation("a limit that can't be read is none", [
        ("src/grants/redis_codec.cpp", 'return wrong(key, name, malformed.error.path + " is no limit, or one too many of its '
                                       'kind, in a list of texts");', "static_cast<void>(malformed.error.path);")],
        ["test_policy_limits.py"]),
    Mutation("a bundle counts without its parent", [
        (GATHER, "if (orphan.empty() || !missing_.wanted.empty() || !missing_.broken.empty()) return;",
         "if (!orphan.empty() || orphan.empty()) return;")],
        ["test_bundles.py", "test_policy_limits.py"]),
    Mutation("an agent without a record becomes more by whom it acts for", [
        (COMPILED, "    hold(facts.tier->bundles);",
         "    hold(facts.tier->bundles);\n    if (facts.user != nullptr) hold_as_member(facts.user->groups);"),
        (GATHER, "    for (const auto& name : facts_.tier->bundles) hold(name);",
         "    for (const auto& name : facts_.tier->bundles) hold(name);\n"
         "    if (const auto* members = need<MemberMap>(RecordKind::members, key(\"members\")); members && facts_.user)\n"
         "      hold_as_member(*members, facts_.user->groups);")], ["test_bundles.py"]),
    Mutation("everybody is a member", [
        (COMPILED, "if (const auto* names = find_in(tenant.members, group)) hold(*names);",
         "if (!group.empty())\n        for (const auto& [any, names] : tenant.members) hold(names);"),
        (GATHER, "    if (found == members.end()) continue;\n    for (const auto& name : found->second) hold(name);",
         "    if (found == members.end() && group.empty()) continue;\n"
         "    for (const auto& [any, names] : members)\n      for (const auto& name : names) hold(name);")],
        ["test_bundles.py"]),
]
