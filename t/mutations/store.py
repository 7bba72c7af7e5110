"""What Redis holds, what of it is copied, and what is counted."""
from mutation import Mutation

STRICT = "src/grants/redis_store.cpp"
TRIP = "src/grants/trip.cpp"
GATHER = "src/grants/gather.cpp"
COPYING = "src/grants/copying_store.cpp"
COPY = "src/grants/copy.cpp"
CHANNEL = "src/grants/channel.cpp"
NEXT = "include/agw/io/next_flight.h"
SERVER = "src/grants/server.cpp"

ALL = [
    Mutation("a Redis that went back is believed", [
        (STRICT, "behind = !state->seen->advance(meta_key, progress_of(inquiry.meta()));",
         "static_cast<void>(state->seen->advance(meta_key, progress_of(inquiry.meta())));"),
        (COPYING, 'if (!host.zone.advance(policy_key(tenant, "meta"), progress_of(meta))) {',
         'if (!host.zone.advance(policy_key(tenant, "meta"), progress_of(meta)) && tenant.empty()) {')],
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
        (GATHER, "    names = &facts_.tier->bundles;", '    names = hints_.find(key("tier:" + std::string(*tier_)));')],
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
        (CHANNEL, "  stripes_.move_all();\n  ++connects_;", "  ++connects_;"),
        (CHANNEL, "  broken_ = true;\n  stripes_.move_all();", "  broken_ = true;")], ["test_copy.py"]),
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
    Mutation("the Redis that tells may be another than the one that answers", [
        (COPYING, "return channel && channel->live(now) && (server.run_id().empty() || "
                  "server.run_id() == channel->run_id());", "return channel && channel->live(now);")], ["test_copy.py"]),
    Mutation("what a limited call uses up isn't taken", [
        ("src/gateway/gateway.cpp", "if (is_limited(call)) {", 'if (is_limited(call) && call.rpc_id == "never") {')],
        ["test_limits.py"]),
    Mutation("a call beyond its limits is forwarded", [
        ("src/gateway/consumption.cpp", "if (!usage.refusal) return decision;",
         "if (!usage.refusal || decision.allowed()) return decision;")], ["test_limits.py"]),
]
