"""What is revoked, stopped, or passes in spite of it."""
from mutation import Mutation

CODEC = "src/grants/redis_codec.cpp"
GATHER = "src/grants/gather.cpp"
COMPILED = "src/grants/compiled_policy.cpp"
COPYING = "src/grants/copying_store.cpp"
STRIPES = "src/grants/stripes.h"
CHANNEL = "src/grants/channel.cpp"
GLASS = "src/grants/break_glass.cpp"
GATEWAY = "src/gateway/gateway.cpp"
EVALUATE = "src/policy/evaluate.cpp"
STREAMS = "src/nginx/request/streams.cpp"
KEYS = "src/agwctl/keys.cpp"

ALL = [
    Mutation("what was revoked by hand counts only where the policy says the same", [
        (CODEC, "return *revoked ? Status::disabled : *status;", "return *status;")], ["test_revocation.py"]),
    Mutation("the earlier of two moments counts", [
        (CODEC, "if (*time && (!out || *out < **time)) out = **time;", "if (*time && !out) out = **time;")],
        ["test_revocation.py"]),
    Mutation("a revoked key signs on", [
        (GATHER, "facts_.key_revoked = policy::names_key(*issuer, who_);", "")], ["test_revocation.py"]),
    Mutation("a policy file's revoked tokens pass", [
        (COMPILED, "if (tenant.revoked.empty()) return;", "return;")], ["test_revocation.py"]),
    Mutation("an agent of which only a revocation is known has a record", [
        (GATHER, "  facts_.agent = nullptr;\n}", "}")], ["test_revocation.py"]),
    Mutation("a policy file undoes what was revoked by hand", [
        (KEYS, "if (!fields.contains(field) && !grants::is_pulled_by_hand(name, field)) change.removed.push_back(field);",
         "if (!fields.contains(field)) change.removed.push_back(field);")], ["test_revocation.py"]),
    Mutation("a stop holds for tools only", [
        (EVALUATE, "facts.tenant->stopped && !question.breaks_glass",
         "facts.tenant->stopped && !question.breaks_glass && question.route != nullptr")], ["test_kill_switch.py"]),
    Mutation("who breaks the glass passes for ever", [
        (GLASS, "return one.agent == agent && now < one.until;", "return one.agent == agent;")], ["test_kill_switch.py"]),
    Mutation("a broken file of those who break the glass leaves the last one", [
        (GLASS, "    agents.clear();\n    broken.clear();", "    broken.clear();")], ["test_kill_switch.py"]),
    Mutation("anybody may write the file of those who break the glass", [
        (GLASS, "if ((info.st_mode & 022U) != 0)", "if ((info.st_mode & 07000U) != 0)")], ["test_kill_switch.py"]),
    Mutation("the event doesn't say that the glass was broken", [
        (GATEWAY, "event.break_glass = call.breaks_glass;", "")], ["test_kill_switch.py"]),
    Mutation("the grace has no end", [
        (COPYING, "now > channel->heard_at() + settings.grace || ", "")], ["test_kill_switch.py"]),
    Mutation("the grace passes what a write was heard of", [
        (STRIPES, "return epochs_[stamp.stripe] == stamp.epoch && stamp.hearing + (deaf_ ? 1U : 0U) == hearing_;",
         "return stamp.hearing + (deaf_ ? 1U : 0U) == hearing_;")], ["test_kill_switch.py"]),
    Mutation("the grace counts after a message that isn't understood", [
        (CHANNEL, "void Channel::doubt() noexcept {\n  stripes_.move_all();", "void Channel::doubt() noexcept {")],
        ["test_copy.py"]),
    Mutation("an error of Redis' is taken for silence", [
        (COPYING, "if (answer || !answer.error().unreached) co_return answer;", "if (answer) co_return answer;")],
        ["test_kill_switch.py"]),
    Mutation("a call that was cut goes down as an error of the backend's", [
        (STREAMS, "cut_ = watched_ == Watched::call;", "")], ["test_kill_switch.py"]),
]
