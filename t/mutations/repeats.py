"""Calls that are carried out once for each key."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
REPEATS = "src/gateway/repeats.cpp"
LEDGER = "src/idempotency/ledger.cpp"
SCRIPTS = "src/idempotency/scripts.h"
KEYS = "src/seal/seal_keys.cpp"
GUARD = "src/nginx/request/guard.cpp"
CAPTURE = "src/nginx/request/capture.cpp"

STORY = ["test_idempotency.py"]

ALL = [
    Mutation("a call whose key can't be claimed runs all the same", [
        (GATEWAY, "  Reason refusal = Reason::idempotency_unavailable;\n  if (call.keyed == nullptr",
         "  call.claim = nullptr;\n  if (services_.ledger == nullptr) co_return;\n"
         "  Reason refusal = Reason::idempotency_unavailable;\n  if (call.keyed == nullptr"),
        (GATEWAY, "if (call.claim == nullptr) co_return conclude(location, request, call);",
         "if (call.replay != nullptr) co_return conclude(location, request, call);"),
        (GATEWAY, "  call.decision = within_claim(std::move(call.decision), refusal);\n",
         "  static_cast<void>(refusal);\n")], STORY),
    Mutation("a claim is no claim", [
        (SCRIPTS, "  redis.call('HSET', key, 's', 'c', 'o', ARGV[1], 'a', ARGV[3 + i], 'u',",
         "  redis.call('HSET', key .. 'x', 's', 'c', 'o', ARGV[1], 'a', ARGV[3 + i], 'u',")], STORY),
    Mutation("other arguments get the first call's answer", [
        (SCRIPTS, "    if kept[2] ~= ARGV[3 + i] then return {'other'} end\n", "")], STORY),
    Mutation("a dead worker's claim is free", [
        (SCRIPTS, "    return {'unknown'}\n", "    redis.call('DEL', key)\n    return {'claimed'}\n")], STORY),
    Mutation("a call that was sent gives its key back", [
        (LEDGER, "if (stage_ == Stage::sent) settle(word_unknown, {});",
         "if (stage_ == Stage::sent) settle(word_unknown.substr(1), {});")], STORY),
    Mutation("a claim whose answer got lost stays", [
        (LEDGER, "if (stage_ == Stage::asked || stage_ == Stage::held) settle(word_release, {});",
         "if (stage_ == Stage::held) settle(word_release, {});")], STORY),
    Mutation("nobody renews a claim", [
        (LEDGER, "      static_cast<void>(co_await std::move(running));\n    }\n  }",
         "      static_cast<void>(running);\n    }\n  }")]),
    Mutation("a record is bound to no call", [
        (LEDGER, "  out->bound += ask.subject;\n", "")]),
    Mutation("all users share their keys", [
        (REPEATS, "principal.tenant, principal.user, principal.agent, call.operation, *call.keyed->key",
         "principal.tenant, {}, principal.agent, call.operation, *call.keyed->key")], STORY),
    Mutation("a seal isn't checked", [
        (KEYS, "EVP_DecryptFinal_ex(context.get(), bytes(plain) + plain.size(), &size) == 1;",
         "EVP_DecryptFinal_ex(context.get(), bytes(plain) + plain.size(), &size) >= 0;")]),
    Mutation("another node's calls are looked for under one name only", [
        (LEDGER, "i < state_->keys.size(); ++i) {", "i < 1; ++i) {")], STORY),
    Mutation("who waited isn't judged again", [
        (GATEWAY, "if (outcome.waited) call.decision =", "if (false) call.decision =")], STORY),
    Mutation("who waited uses up what was limited before", [
        (GATEWAY, "  call.facts = *facts;\n  call.decision = judge(location, request, body, **facts,",
         "  call.decision = judge(location, request, body, **facts,")]),
    Mutation("a record of a wrong type is told with every call", [
        (LEDGER, "    found->kind = Finding::mistyped;\n", "    found->detail = reply.error();\n")], STORY),
    Mutation("nginx's own error page is the backend's answer", [
        (CAPTURE, "  if (r->err_status != 0) return false;\n"
                  "  return r->upstream == nullptr || r->upstream->headers_in.status_n == r->headers_out.status;",
         "  return r != nullptr;")], STORY),
    Mutation("half an answer is an answer", [
        (CAPTURE, "if (r->header_only || !context.capture->kept_) context.capture->complete();",
         "context.capture->complete();")], STORY),
    Mutation("a client that leaves ends the call", [
        (GUARD, "  own.ignore_client_abort = 1;\n", ""),
        (GUARD, "  r->read_event_handler = ngx_http_block_reading;\n"
                "  r->write_event_handler = ngx_http_request_empty_handler;\n", "")], STORY),
    Mutation("what one server may have done goes to the next", [
        (GUARD, "  own.next_upstream = until_sent", "  own.next_upstream = until_sent || true")], STORY),
]
