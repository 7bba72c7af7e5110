"""nginx -t refuses what is wrong with file, line, the problem and what to write instead: a row for every directive."""
import re

import pytest

from plugins.nginx import ROOT
from plugins.site import EXCHANGE

MARK = "#HERE"

# Where a piece of configuration goes: the key of Site.conf, and what surrounds it.
GATEWAY = """
    resolver 127.0.0.1;
    agent_zone agents 8m;
    agent_store file:@PREFIX@/policy.json;
    agent_audit @PREFIX@/audit.jsonl;
    agent_state @PREFIX@/state;
    agent_issuer company {{ issuer https://auth.company.example; algorithms ES256; claims user=sub agent=azp;
                            client gateway secret_file=@PREFIX@/secret; }}
"""


def gateway(replaced="", by=""):
    """The http part with one of its lines replaced."""
    lines = GATEWAY.replace("{{", "{").replace("}}", "}").splitlines()
    if not replaced:
        return "\n".join([*lines, by])
    if replaced == "agent_issuer":
        return "\n".join([*lines[:6], by])
    return "\n".join(by if line.strip().startswith(replaced + " ") else line for line in lines)


def issuer(line):
    block = f"issuer https://auth.company.example;\nalgorithms ES256;\n{line} {MARK}\n"
    name = line.split(" ")[0].rstrip(";")
    if name in ("issuer", "algorithms"):
        block = "\n".join(x for x in block.splitlines() if not x.startswith(name) or MARK in x) + "\n"
    return {"gateway": gateway("agent_issuer", "agent_issuer company {\n" + block + "}")}


def http(line, replaced=None):
    return {"gateway": gateway(replaced, f"{line} {MARK}")} if replaced else {"gateway": gateway("", f"{line} {MARK}")}


def redis_and(line):
    return {"gateway": gateway("agent_store", f"agent_store redis://127.0.0.1:6379/0;\n{line} {MARK}")}


def mcp(line):
    return {"mcp": f"\n{line} {MARK}\n"}


def tool(line):
    return {"tools": f"\nagent_tool ticket.read {{\n{line} {MARK}\n}}\n"}


def block(line):
    return {"tools": f"\n{line} {MARK}\n"}


def rest(line):
    return {"operations": f"\n{line} {MARK}\n"}


REDIS = "agent_store redis://127.0.0.1:6379/0;"
CLUSTER = {"gateway": gateway("agent_store", "agent_store redis+cluster://127.0.0.1:7000;")}
KEYED = gateway("agent_store", REDIS + "\nagent_key @PREFIX@/close.key;")


def keyed(line):
    return tool(line) | {"gateway": KEYED}


# directive -> rows of (pieces, words that the message must have). The first words: what is wrong and what to write.
BAD = {
    "agent_zone": [(http("agent_zone agents;", "agent_zone"), "agent_zone"),
                   (http("agent_zone agents 10;", "agent_zone"), "1m"),
                   (http("agent_zone agents many;", "agent_zone"), "size"),
                   (http("agent_zone again 8m;"), "duplicate|already")],
    "agent_store": [(http("agent_store mysql://x;", "agent_store"), "file:|redis://"),
                    (http("agent_store file:;", "agent_store"), "file:|path"),
                    (http("agent_store file:@PREFIX@/absent.json;", "agent_store"), "absent.json"),
                    (http("agent_store redis://127.0.0.1:99999/0;", "agent_store"), "port"),
                    (http("agent_store redis://127.0.0.1:6379/x;", "agent_store"), "database|redis://"),
                    (http("agent_store redis://user:secret@127.0.0.1:6379/0;", "agent_store"), "password_file"),
                    (http("agent_store redis://127.0.0.1:6379/0 password_file=@PREFIX@/none;", "agent_store"), "none"),
                    (http("agent_store redis://127.0.0.1:6379/0 color=red;", "agent_store"), "password_file"),
                    (http("agent_store redis+cluster://127.0.0.1:7000/1;", "agent_store"), "one database"),
                    (http("agent_store redis+cluster://127.0.0.1,127.0.0.1:6379;", "agent_store"), "twice"),
                    (http("agent_store redis+cluster://a:secret@127.0.0.1;", "agent_store"), "password_file"),
                    (http("agent_store redis+cluster://127.0.0.1 sentinel_password_file=@PREFIX@/none;", "agent_store"),
                     "redis\\+sentinel"),
                    (http("agent_store redis+sentinel://127.0.0.1:26379;", "agent_store"), "/mymaster"),
                    (http("agent_store redis+sentinel://127.0.0.1,127.0.0.1:26379/main;", "agent_store"), "twice"),
                    (http("agent_store redis://127.0.0.1:6379/0 sentinel_password_file=@PREFIX@/none;", "agent_store"),
                     "redis\\+sentinel"),
                    (http("agent_store file:@PREFIX@/policy.json;"), "duplicate|already")],
    "agent_store_admin": [(http("agent_store_admin file:@PREFIX@/policy.json;"), "redis"),
                          (http("agent_store_admin redis://127.0.0.1:6379/0;"), "agent_store")],
    "agent_freshness": [(redis_and("agent_freshness sometimes;"), "max_age"),
                        (redis_and("agent_freshness push lease=1ms;"), "100ms|lease"),
                        (redis_and("agent_freshness push soon;"), "lease=TIME"),
                        (redis_and("agent_freshness strict lease=1s;"), "strict"),
                        (redis_and("agent_freshness max_age=long;"), "time"),
                        (redis_and("agent_freshness max_age=2h;"), "1h|60m"),
                        (redis_and("agent_freshness push; agent_freshness strict;"), "twice"),
                        (http("agent_freshness strict;"), "agent_store in Redis")],
    "agent_copy_limit": [(redis_and("agent_copy_limit 10k;"), "1m"), (redis_and("agent_copy_limit much;"), "size"),
                         (redis_and("agent_copy_limit 8m; agent_copy_limit 8m;"), "twice"),
                         (http("agent_copy_limit 8m;"), "agent_store in Redis")],
    "agent_audit": [(http("agent_audit;", "agent_audit"), "agent_audit"),
                    (http("agent_audit @PREFIX@/no/such/folder/a.jsonl;", "agent_audit"), "no/such/folder|No such file"),
                    (http("agent_audit @PREFIX@/a.jsonl key=@PREFIX@/none;", "agent_audit"), "none"),
                    (http("agent_audit @PREFIX@/a.jsonl key=@PREFIX@/secret;", "agent_audit"), "32"),
                    (http("agent_audit @PREFIX@/a.jsonl key=@PREFIX@/open.key;", "agent_audit"), "chmod 600"),
                    (http("agent_audit @PREFIX@/a.jsonl journal=1k;", "agent_audit"), "256k"),
                    (http("agent_audit @PREFIX@/a.jsonl journal=much;", "agent_audit"), "size"),
                    (http("agent_audit off key=@PREFIX@/secret;", "agent_audit"), "off"),
                    (http("agent_audit @PREFIX@/b.jsonl;"), "twice"),
                    (http("agent_audit @PREFIX@/a.jsonl colour=red;", "agent_audit"), "key=")],
    "agent_audit_sync": [(http("agent_audit_sync sometimes;"), "interval"),
                         (http("agent_audit_sync none; agent_audit_sync none;"), "twice")],
    "agent_audit_on_error": [(http("agent_audit_on_error allow;"), "continue"),
                             (http("agent_audit_on_error deny; agent_audit_on_error deny;"), "twice")],
    "agent_key": [(http("agent_key @PREFIX@/none;"), "none"), (http("agent_key @PREFIX@/secret;"), "32")],
    "agent_state": [(http("agent_state @PREFIX@/policy.json;", "agent_state"), "directory|folder"),
                    (http("agent_state;", "agent_state"), "agent_state")],
    "agent_issuer": [(http("agent_issuer company { }"), "duplicate|already|twice"),
                     (http("agent_issuer other { }"), "issuer"),
                     (http("agent_issuer a|b { issuer https://x.example; algorithms ES256; }"), "name|alias"),
                     (http("agent_issuer other { issuer https://x.example; }"), "algorithms"),
                     (issuer("colour red;"), "colour"),
                     (issuer("opaque_tokens prefix=;"), "any, or prefix=TEXT"),
                     (issuer("opaque_tokens yes;"), "any, or prefix=TEXT"),
                     (issuer("opaque_tokens any;"), "no client of it"),
                     (issuer("introspection_response jwt;"), "no client of it"),
                     (issuer("introspection_response xml;"), "json or jwt"),
                     (issuer("introspection_endpoint http://as.example/i;"), "https"),
                     (issuer("single_use never;"), "always, or claim=NAME"),
                     (issuer("issuer http://auth.company.example;"), "https"),
                     (issuer("issuer auth.company.example;"), "https|URL"),
                     (issuer("issuer https://auth.company.example/?x=1;"), "query|fragment"),
                     (issuer("jwks_file @PREFIX@/none;"), "none"),
                     (issuer("jwks_file @PREFIX@/secret;"), "key|JSON"),
                     (issuer("algorithms HS256;"), "HS256"), (issuer("algorithms none;"), "none"),
                     (issuer("claims sub;"), "="), (issuer("claims colour=red;"), "colour|user"),
                     (issuer("type access;"), "at_jwt"), (issuer("tenants a/b;"), "tenant"),
                     (issuer("scope_implies admin;"), "scope_implies|argument"),
                     (issuer("client gateway;"), "client|argument|secret_file"),
                     (issuer("client gateway secret_file=@PREFIX@/none;"), "none"),
                     (issuer("client gateway key_file=@PREFIX@/secret;"), "key|PEM"),
                     (issuer("client gateway secret=plain;"), "secret_file"),
                     (issuer("token_endpoint ftp://x;"), "https|URL"), (issuer("discovery maybe;"), "auto"),
                     (issuer("clock_skew 2h;"), "10m"), (issuer("clock_skew soon;"), "time"),
                     (issuer("max_token 10;"), "1k"), (issuer("ca @PREFIX@/none;"), "none"),
                     (issuer("ca @PREFIX@/secret;"), "certificate|PEM"), (issuer("proxy socks://x;"), "http://"),
                     (issuer("timeout 0;"), "time"), (issuer("keys_refresh 0s;"), "1s"),
                     (issuer("keys_max_age 1s;"), "keys_refresh"), (issuer("keys_floor 0s;"), "1s"),
                     (issuer("claims acter=sub;"), "scope or actor"), (issuer("audience;"), "arguments"),
                     (issuer("required_claims;"), "arguments"),
                     (issuer("actors maybe;"), "none, or actors optional.required"),
                     (issuer("actors none most=3;"), "most=3"), (issuer("actors optional most=9;"), "from 1 to 8"),
                     (issuer("actors optional least=2;"), "least with required only"),
                     (issuer("actors required least=3 most=2;"), "least is more than most"),
                     (issuer("machine sometimes;"), "CLAIM=VALUE"), (issuer("machine gty=;"), "CLAIM=VALUE")],
    "agent_gateway": [(mcp("agent_gateway mcp again;"), "duplicate|already"),
                      ({"api": f"\nlocation /api/x/ {{ \nagent_gateway soap tickets; {MARK}\n }}\n"}, "mcp|rest"),
                      ({"api": f"\nlocation /api/x/ {{ \nagent_gateway mcp tick/ets; {MARK}\n }}\n"}, "namespace|name"),
                      ({"http": f"\nagent_gateway mcp tickets; {MARK}\n"}, "not allowed")],
    "agent_protected_resource": [(mcp("agent_protected_resource https://x.example/;"), "duplicate|already")] + [
        ({"resource": "RESOURCE " + url}, word) for url, word in (
            ("http://tools.company.example/mcp", "https"), ("tools.company.example/mcp", "URL"),
            ("https://tools.company.example/mcp?x=1", "query"), ("https://tools.company.example/mcp#x", "fragment"))],
    "agent_trust": [({"trust": "nobody"}, "nobody")],
    "agent_introspect": [(mcp("agent_introspect;"), "argument"), (mcp("agent_introspect sometimes;"), "always, max_age=TIME"),
                         (mcp("agent_introspect max_age=0;"), "max_age"),
                         (mcp("agent_introspect always jws;"), "jwt behind it"),
                         (mcp("agent_introspect off jwt;"), "jwt"),
                         (mcp("agent_introspect always; agent_introspect always jwt;"), "twice"),
                         (mcp("agent_introspect always;"), "asks about nothing here"),
                         (mcp("agent_introspect always jwt;") | {"client": ""}, "own client at the issuer")],
    "agent_introspect_context": [(mcp("agent_introspect_context all;"), "digest, arguments or off"),
                                 (mcp("agent_introspect_context digest;"), "none is asked here")],
    "agent_single_use": [(mcp("agent_single_use;"), "argument"), (mcp("agent_single_use off ci;"), "alone"),
                         (mcp("agent_single_use a|b;"), "tiers")],
    "agent_challenge_scope": [(mcp('agent_challenge_scope "a\\"b";'), "scope|duplicate")],
    "agent_origins": [(mcp("agent_origins https://ide.example/path;"), "origin"), (mcp("agent_origins *;"), "origin"),
                      (mcp("agent_origins ide.example;"), "origin")],
    "agent_exchange": [({"forward": f"\nagent_exchange scope=x:y; {MARK}\n"}, "audience"),
                       ({"forward": f"\nagent_exchange audience=x; {MARK}\n"}, "scope|argument"),
                       ({"forward": f"\nagent_exchange audience=x scope=y colour=red; {MARK}\n"}, "colour|scope_indep"),
                       ({"forward": ""}, "agent_forward none|agent_exchange"),
                       ({"forward": EXCHANGE, "client": ""}, "client")],
    "agent_forward": [({"forward": f"\nagent_forward all; {MARK}\n"}, "none"),
                      ({"forward": f"\nagent_forward none;\n{EXCHANGE} {MARK}\n"}, "agent_forward|agent_exchange")],
    "agent_mode": [(mcp("agent_mode maybe;"), "enforce"), (tool("mode maybe;"), "enforce")],
    "agent_sessions": [(mcp("agent_sessions never;"), "backend|always")],
    "agent_disclosure": [(mcp("agent_disclosure all;"), "hide")],
    "agent_delegation": [(mcp("agent_delegation maybe;"), "implicit")],
    "agent_answer_limit": [(mcp("agent_answer_limit 1k;"), "64k"), (mcp("agent_answer_limit much;"), "size"),
                           (mcp("agent_answer_limit 1g;"), "256m"),
                           (mcp("agent_answer_limit 1m; agent_answer_limit 1m;"), "twice")],
    "agent_identity_headers": [(mcp("agent_identity_headers yes;"), "on")],
    "agent_allow_unsafe": [(mcp("agent_allow_unsafe everything;"), "proxy_cache|mirror")],
    "agent_revocation_grace": [(redis_and("agent_revocation_grace long;"), "time"), (redis_and("agent_revocation_grace 61s;"), "1m|60s"),
                               (redis_and("agent_revocation_grace 5s; agent_revocation_grace 5s;"), "twice"),
                               (redis_and("agent_freshness strict; agent_revocation_grace 5s;"), "push"),
                               (redis_and("agent_freshness max_age=1s; agent_revocation_grace 5s;"), "push"),
                               (redis_and("agent_freshness push lease=5s; agent_revocation_grace 5s;"), "lease"),
                               (http("agent_revocation_grace 5s;"), "agent_store in Redis")],
    "agent_break_glass": [(http("agent_break_glass @PREFIX@/no-such-file;"), "can't be opened"),
                          (http("agent_break_glass @PREFIX@/policy.json;"), "unknown key"),
                          (http("agent_break_glass @PREFIX@;"), "regular file"),
                          (http("agent_break_glass @PREFIX@/secret;"), "JSON")],
    "agent_cut_running": [(mcp("agent_cut_running yes;"), "on"), (mcp("agent_cut_running on; agent_cut_running off;"), "twice")],
    "agent_limit_on_error": [(http("agent_limit_on_error maybe;"), "deny or local")],
    "agent_limit": [(mcp("agent_limit agents 5r/h;"), "tenant, team, agent"), (mcp("agent_limit agent 5;"), "5r/h"),
                    (mcp("agent_limit agent;"), "says nothing"), (mcp("agent_limit off off;"), "alone"),
                    (mcp("agent_limit agent 5r/d queue=5s;"), "bucket"), (mcp("agent_limit agent 5c often;"), "burst="),
                    (http("agent_limit agent 5r/h warn=80;"), "window"),
                    (mcp("agent_limit agent 5r/h; agent_limit agent 6r/h;"), "beside it"),
                    (mcp("agent_limit agent 5r/h;\nagent_limit off;"), "alone"),
                    (mcp("agent_limit backend 5r/h;") | CLUSTER, "tenant\\+backend"),
                    (tool("limit backend 5r/h;") | CLUSTER, "redis\\+sentinel://")],
    "agent_breaker": [(mcp("agent_breaker user denials=20%/1m for=5m;"), "agent or backend"),
                      (mcp("agent_breaker agent;"), "denials=20%/1m"), (mcp("agent_breaker agent denials=20/1m for=5m;"), "20%"),
                      (mcp("agent_breaker agent denials=20%/1m;"), "by_hand"),
                      (mcp("agent_breaker agent denials=20%/1m for=5m by_hand;"), "twice"),
                      (http("agent_breaker backend errors=50%/30s by_hand;"), "for=TIME"),
                      ({"server": f"\nagent_breaker backend denials=50%/30s for=30s; {MARK}\n"}, "errors=50%/30s"),
                      (mcp("agent_breaker agent denials=20%/1m for=5m min=0;"), "min=20"),
                      (mcp("agent_breaker agent denials=20%/1m for=5m; agent_breaker agent denials=30%/1m for=1m;"),
                       "beside it"),
                      (mcp("agent_breaker off off;"), "alone"),
                      (mcp("agent_breaker agent denials=20%/1m for=5m;\nagent_breaker off;"), "alone")],
    "agent_require": [(mcp("agent_require 'tol == \"a\"';"), "write method, tool"), (mcp("agent_require a b;"), "argument"),
                      (mcp("agent_require $nobody_sets_this;"), "write a map, geo or js_set"),
                      (mcp("agent_require 'within(\"Mon 09:00-17:00 Mars/Base\")';"), "unknown time zone"),
                      (mcp("agent_require true;\nagent_require off;"), "alone"),
                      (http("agent_require '<amount> <= \"5\"';"), "without quotes"),
                      ({"api": f"\nagent_require 'tool == \"a\"'; {MARK}\n"}, "write operation in its place"),
                      ({"api": f"\nagent_require '<nobody> == \"a\"'; {MARK}\n"}, "write <query/nobody>")],
    "agent_sender_constraint": [(mcp("agent_sender_constraint demand;"), "require dpop"),
                                (mcp("agent_sender_constraint require tls;"), "require mtls"),
                                (mcp("agent_sender_constraint off dpop;"), "require dpop"),
                                (mcp("agent_sender_constraint require mtls;"), "ssl_verify_client optional"),
                                (mcp("agent_sender_constraint off;\nagent_sender_constraint require;"), "twice|already")],
    "agent_dpop": [(mcp("agent_dpop nonce=maybe;"), "nonce=on"), (mcp("agent_dpop;"), "argument"),
                   (mcp("agent_dpop window=1s;"), "window"), (mcp("agent_dpop lifetime=2h;"), "lifetime"),
                   (mcp("agent_dpop nonce=on;\nagent_dpop nonce=off;"), "twice|already")],
    "agent_tool": [(tool("require '<amount> <= 5.5';"), "whole"), (tool("require <amount> <= 5;"), "argument"),
                   (tool("require $nobody_sets_this;"), "write a map, geo or js_set"),
                   (tool("require 'client_ip in \"10.0.0.1/8\"';"), "10.0.0.0/8"), (tool("limit agent 5x/h;"), "5r/h"), (tool("limit agent;"), "argument"),
                   (tool("cost 0;"), "from 1 to"), (tool("cost x;"), "from 1 to"),
                   ({"tools": f"\nagent_tool a {{ cost 5; limit agent 3u/d; }} {MARK}\n"}, "never has so much"),
                   (tool("scoop x;"), "scoop"), (tool("scope;"), "scope"), (tool('scope "a\\\\b";'), "scope"),
                   (tool("operation a/b;"), "operation|name"), (tool("resource ticket;"), "<"),
                   (tool("resource ticket:<id;"), ">"), (tool("resource ticket:<>;"), "<|name"),
                   (tool("resource ticket:<id> extra;"), "argument"), (tool("class a b;"), "argument"),
                   (tool("exchange audience=x;"), "scope|argument"), (tool("risk a b;"), "argument"),
                   ({"tools": f"\nagent_tool a {{ }}\nagent_tool a {{ }} {MARK}\n"}, "twice|already|duplicate"),
                   ({"tools": f"\nagent_tool a {{ operation x; }}\nagent_tool b {{ operation x; }} {MARK}\n"},
                    "twice|already|duplicate|operation"),
                   ({"tools": f"\nagent_operation a GET /mcp/x {{ }} {MARK}\n"}, "agent_tool|mcp"),
                   ({"server": f"\nagent_tool a {{ }} {MARK}\n"}, "not allowed")],
    "inner": [(tool("inner;"), "argument"), (tool("inner tool;"), "name=<tool>"), (tool("inner name=tool;"), "<tool>"),
              (tool("inner arguments=<a>;"), "name=<tool>"), (tool("inner name=<a> arguments=<a>;"), "one argument for both"),
              (tool("inner name=<a>:<b>;"), "<tool>"), (tool("inner name=<a>; inner name=<b>;"), "twice"),
              (tool("inner name=<a> other=<b>;"), "unknown word")],
    "lists": [(tool("lists;"), "argument"), (tool("lists tools;"), "<tool>"), (tool("lists <a> <b>;"), "beside"),
              (tool("lists <a> name=b;"), "<tool>"), (tool("lists <a> text=some;"), "same|array"),
              (tool("lists <a> errors=no;"), "refuse|pass"), (tool("lists <a> other=<b>;"), "unknown word"),
              (tool("lists <a> name=<b> name=<c>;"), "beside"), (tool("lists <a>; lists <b>;"), "twice"),
              (block("agent_prompt a { lists <x>; }"), "write one of")],
    "param_header": [(tool("param_header <a>;"), "argument"), (tool("param_header a A;"), "<tool>"),
                     (tool('param_header <a> "A B";'), "Mcp-Param-"), (tool('param_header <a> "A:";'), "Mcp-Param-"),
                     (tool("param_header <a> A; param_header <b> a;"), "twice"),
                     (tool("param_header <a> user_id;"), "underscores_in_headers on"),
                     (tool("param_header <a> user.id;"), "ignore_invalid_headers off"),
                     ({"operations": f"\nagent_operation a GET /api/<x> {{ param_header <x> X; }} {MARK}\n"}, "write one of")],
    "agent_prompt": [(block("agent_prompt a { inner name=<x>; }"), "write one of"),
                     (block("agent_prompt a { idempotency header; }"), "write one of"),
                     (block("agent_prompt { }"), "argument"), (block('agent_prompt "" { }'), "printable"),
                     (block('agent_prompt "a b" { }'), "operation NAME"), (block("agent_prompt a { operation a/b; }"), "letters"),
                     (block("agent_prompt a { require 'tool == \"a\"'; }"), "no tool"),
                     ({"tools": f"\nagent_prompt a {{ }}\nagent_prompt a {{ }} {MARK}\n"}, "twice"),
                     ({"tools": f"\nagent_prompt a {{ }}\nagent_prompt b {{ operation a; }} {MARK}\n"}, "twice"),
                     (rest("agent_prompt a { }"), "agent_operation|rest"),
                     ({"server": f"\nagent_prompt a {{ }} {MARK}\n"}, "not allowed")],
    "agent_mcp_resource": [(block("agent_mcp_resource docs { }"), "docs://guides/<id>"),
                           (block("agent_mcp_resource docs://a* { }"), "right after"),
                           (block("agent_mcp_resource docs://<id { }"), "without a name"),
                           (block("agent_mcp_resource docs://a<id> { }"), "whole segment"),
                           (block("agent_mcp_resource docs://<a>/<a> { }"), "twice"),
                           (block("agent_mcp_resource docs://a/../b { }"), "canonical"),
                           (block("agent_mcp_resource Docs://a { }"), "canonical"),
                           (block("agent_mcp_resource docs://%61 { }"), "canonical"),
                           (block('agent_mcp_resource "docs://{a}" { }'), "names in <>"),
                           (block("agent_mcp_resource docs://<id> { resource doc:<nr>; }"), "<nr>"),
                           (block("agent_mcp_resource docs://<id> { require '<nr> == \"a\"'; }"), "<nr>"),
                           (block("agent_mcp_resource * { }"), "operation NAME"),
                           ({"tools": "\nagent_mcp_resource docs://<a> { }\n"
                                      f"agent_mcp_resource docs://<b> {{ }} {MARK}\n"}, "twice"),
                           ({"tools": f"\nagent_mcp_resource docs://a {{ }}\nagent_mcp_resource docs:a {{ }} {MARK}\n"}, "twice"),
                           (rest("agent_mcp_resource docs://a { }"), "agent_operation|rest"),
                           ({"server": f"\nagent_mcp_resource docs://a {{ }} {MARK}\n"}, "not allowed")],
    "agent_operation": [(rest("agent_operation a GET api/x { }"), "/"),
                        (rest("agent_operation a GET /api/<x> { require '<y> == \"a\"'; }"), "no segment"),
                        (rest("agent_operation a GET /api/<x> { require '<body/y> == \"a\"'; }"), "has no body"),
                        (rest("agent_operation a G<T /api/x { }"), "method"),
                        (rest("agent_operation a GET /api/<x { }"), ">|segment"),
                        (rest("agent_operation a GET /api/a<x> { }"), "segment"),
                        (rest("agent_operation a GET /api//x { }"), "segment|empty|canonical"),
                        (rest("agent_operation a GET /api/../x { }"), "segment|canonical"),
                        (rest("agent_operation a GET /other/x { }"), "/api/|location"),
                        (rest("agent_operation a GET { }"), "argument|arguments"),
                        (rest("agent_operation a GET /api/<id> { resource ticket:<nr>; }"), "nr"),
                        (rest("agent_operation a GET /api/<id> { resource ticket:<header/x>; }"), "query|body"),
                        ({"operations": f"\nagent_operation a GET /api/<x> {{ }}\n"
                                        f"agent_operation b GET /api/<y> {{ }} {MARK}\n"}, "same|already|twice"),
                        (rest("agent_tool a { }"), "agent_operation|rest")],
    "idempotency": [(keyed("idempotency;"), "argument"), (keyed("idempotency key;"), "<requestId>"),
                    (keyed("idempotency <a>:<b>;"), "<requestId>"), (keyed("idempotency <>;"), "<requestId>"),
                    (keyed("idempotency header=;"), "header=NAME"), (keyed('idempotency "header=a b";'), "header=NAME"),
                    (keyed("idempotency <a> header;"), "ttl=TIME"), (keyed("idempotency <a> ttl=1s;"), "ttl"),
                    (keyed("idempotency <a> answer=5m;"), "answer"), (keyed("idempotency <a> wait=2m;"), "wait"),
                    (keyed("idempotency <a>; idempotency header;"), "twice"),
                    ({"gateway": KEYED, "operations": f"\nagent_operation a GET /api/<id> {{ idempotency <nr>; }} {MARK}\n"},
                     "nr"),
                    ({"gateway": KEYED,
                      "operations": f"\nagent_operation a GET /api/<id> {{ idempotency <body/key>; }} {MARK}\n"}, "no body"),
                    (tool("idempotency header;") | {"gateway": gateway("", "agent_key @PREFIX@/close.key;")},
                     "agent_store in Redis"),
                    (tool("idempotency header;") | {"gateway": gateway("agent_store", REDIS)}, "openssl rand 32")],
    "agent_metrics": [({"server": f"\nlocation /m {{ agent_metrics on; {MARK}\n }}\n"}, "argument")],
    "agent_ready": [({"server": f"\nlocation /r {{ agent_ready on; {MARK}\n }}\n"}, "argument")],
}

ROWS = [(name, i) for name, rows in BAD.items() for i in range(len(rows))]


def prepared(site, pieces):
    """The configuration, without the mark, and the line where the mistake stands (None: anywhere)."""
    pieces = dict(pieces)
    if str(pieces.get("resource", "")).startswith("RESOURCE "):
        pieces["resource"] = pieces["resource"][len("RESOURCE "):]
    text = site.conf(**pieces)
    line = next((n for n, l in enumerate(text.splitlines(), 1) if MARK in l), None)
    return text.replace(MARK, ""), line


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    from plugins.site import Site
    site = Site(tmp_path_factory.mktemp("configuration"))
    (site.prefix / "open.key").write_text("k" * 64)
    (site.prefix / "open.key").chmod(0o644)
    (site.prefix / "close.key").write_text("k" * 64)
    (site.prefix / "close.key").chmod(0o600)
    yield site
    for server in site._own:
        server.stop()


@pytest.mark.parametrize("name,index", ROWS, ids=[f"{n}-{i}" for n, i in ROWS])
def test_mistakes(bench, name, index):
    pieces, words = BAD[name][index]
    text, line = prepared(bench, pieces)
    status, said = bench.nginx.test(text)
    assert status != 0, f"accepted:\n{said}"
    message = "\n".join(x for x in said.splitlines() if "[emerg]" in x)
    assert re.search(words, message), message
    places = re.findall(r"candidate\.conf:(\d+)", message)
    assert places, f"no file and line: {message}"
    if line is not None:
        # A block's own problem may be said at its first or last line.
        assert any(abs(int(p) - line) <= (3 if name == "agent_issuer" else 1) for p in places), (line, message)


def test_every_directive_has_a_row():
    page = (ROOT / "docs/directives.md").read_text()
    listed = set(re.findall(r"^#+ `?(agent_[a-z_]+)", page, re.M))
    assert listed and listed <= set(BAD), listed - set(BAD)


def test_the_configuration_that_all_rows_change_is_good(bench):
    status, said = bench.nginx.test(bench.conf(gateway=gateway()))
    assert status == 0, said
    for words in ("<key>", "<a/key> ttl=1h answer=1m wait=0", "header", "header=X-Key wait=5s"):
        status, said = bench.nginx.test(bench.conf(gateway=KEYED, tools=f"agent_tool ticket.read {{ idempotency {words}; }}"))
        assert status == 0, said


OPAQUE = """agent_issuer {} {{ issuer https://{}.example; opaque_tokens {}; client gateway secret_file=@PREFIX@/secret; }}
"""


@pytest.mark.parametrize("one,other,good", [("any", "any", False), ("any", "prefix=b", False), ("prefix=a", "prefix=ab", False),
                                            ("prefix=a", "prefix=b", True)])
def test_a_token_is_one_issuers(bench, one, other, good):
    issuers = OPAQUE.format("company", "one", one) + OPAQUE.format("partner", "two", other)
    status, said = bench.nginx.test(bench.conf(gateway=gateway("agent_issuer", issuers), trust="company partner",
                                               mcp="agent_introspect always;"))
    assert (status == 0) == good, said
    assert good or "only one of them may be asked" in said, said


# What breaks the promises of a governed location, and the word that takes responsibility for it.
UNSAFE = {
    "proxy_cache": ("proxy_cache c;", "proxy_cache"),
    "proxy_store": ("proxy_store @PREFIX@/store;", "proxy_store"),
    "mirror": ("mirror /open/x;", "mirror"),
    "proxy_set_body": ("proxy_set_body other;", "proxy_set_body"),
    "proxy_method": ("proxy_method GET;", "proxy_method"),
    "proxy_pass_request_body": ("proxy_pass_request_body off;", "proxy_pass_request_body"),
    "satisfy any": ("satisfy any;", "satisfy"),
    "$http_authorization": ("proxy_set_header X-Token $http_authorization;", "http_authorization"),
    "$http_authorization in a word": ('proxy_set_header X-Token "a${http_authorization}b";', "http_authorization"),
    "$http_cookie": ("proxy_set_header X-C $http_cookie;", "http_cookie"),
    "$cookie_x": ("proxy_set_header X-C $cookie_session;", "http_cookie"),
    "$http_dpop": ("add_header X-D $http_dpop;", "http_dpop"),
    "set": ("set $t $http_authorization; proxy_set_header X-Token $t;", "http_authorization"),
    "if": ("if ($http_authorization = x) { return 418; }", "http_authorization"),
    "map": ("proxy_set_header X-Token $mapped;", "http_authorization"),
    "access_log": ("access_log @PREFIX@/a.log leaky;", "http_authorization"),
    "proxy_pass": ("#", "http_authorization"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_combinations(bench, name):
    line, word = UNSAFE[name]
    pieces = {"http": "proxy_cache_path @PREFIX@/cache keys_zone=c:1m; map $http_authorization $mapped { default $http_authorization; }"
                      " log_format leaky '$http_authorization';"}
    if name == "proxy_pass":
        line = "rewrite ^ /mcp/$http_authorization break;"
    text, at = prepared(bench, pieces | {"mcp": f"\n{line} {MARK}\n"})
    status, said = bench.nginx.test(text)
    assert status != 0 and "agent_allow_unsafe" in said and word in said, said
    assert re.search(r"candidate\.conf:\d+", said), said
    for extra in (f"agent_allow_unsafe {word};", "agent_mode observe;"):
        status, said = bench.nginx.test(prepared(bench, pieces | {"mcp": f"\n{line}\n{extra}\n"})[0])
        assert status == 0, f"{extra}: {said}"


def test_unsafe_directives_outside_are_nobodys_business(bench):
    status, said = bench.nginx.test(bench.conf(
        http="proxy_cache_path @PREFIX@/cache keys_zone=c:1m;",
        server="location /elsewhere/ { proxy_cache c; mirror /open/x; proxy_set_header X $http_authorization; "
               "proxy_pass http://tickets; }"))
    assert status == 0, said


def test_an_unsafe_directive_is_found_where_it_is_inherited_from(bench):
    status, said = bench.nginx.test(bench.conf(server="proxy_method GET;"))
    assert status != 0 and "proxy_method" in said


MISSING = {"agent_store": "agent_store", "agent_zone": None, "agent_audit": "agent_audit", "agent_state": None}


@pytest.mark.parametrize("name", MISSING)
def test_what_a_governed_location_needs(bench, name):
    text = bench.conf(gateway=gateway(name, ""))
    status, said = bench.nginx.test(text)
    if MISSING[name] is None:
        assert status == 0, said
    else:
        assert status != 0 and MISSING[name] in said, said


@pytest.mark.parametrize("piece", ["agent_protected_resource", "agent_trust"])
def test_what_a_location_needs(bench, piece):
    text = "\n".join(x for x in bench.conf().splitlines() if not x.strip().startswith(piece + " "))
    status, said = bench.nginx.test(text)
    assert status != 0 and piece in said and "candidate.conf:" in said, said


def test_blocks_may_include(bench):
    (bench.prefix / "tool.inc").write_text("scope tickets:read; resource ticket:<id>;")
    (bench.prefix / "issuer.inc").write_text("algorithms ES256;")
    (bench.prefix / "bad.inc").write_text("scope tickets:read;\nscoop x;\n")
    good = bench.conf(tools="agent_tool ticket.read { include @PREFIX@/tool.inc; }",
                      gateway=gateway("agent_issuer", "agent_issuer company { issuer https://auth.company.example; "
                                      "include @PREFIX@/issuer.inc; }"))
    status, said = bench.nginx.test(good)
    assert status == 0, said
    status, said = bench.nginx.test(bench.conf(tools="agent_tool ticket.read { include @PREFIX@/bad.inc; }"))
    assert status != 0 and "bad.inc:2" in said, said


def test_nginx_t_writes_nothing(bench):
    before = {p.name for p in bench.prefix.iterdir()}
    assert bench.nginx.test(bench.conf(gateway=gateway()))[0] == 0
    left = {p.name for p in bench.prefix.iterdir()} - before - {"candidate.conf", "nginx.pid"}
    assert "routes.json" not in left and "audit.jsonl" not in left, left
    assert not (bench.prefix / "state" / "routes.json").exists()


def test_lists_replace_and_inherit(make_site):
    site = make_site(start=False, server="agent_trust partner; agent_forward none;",
                     http="agent_issuer partner { issuer http://127.0.0.1:@PORT@; algorithms ES256; claims user=sub agent=azp; }")
    site.start()
    metadata = site.send("GET", "/.well-known/oauth-protected-resource/mcp", None).json()
    assert metadata["authorization_servers"] == [site.issuer.url], "the location's list replaces the server's"


def test_the_contracts_example_loads(bench):
    """What CONTRACT.md shows, but for what doesn't exist yet, with files where it has files."""
    (bench.prefix / "long.key").write_text("k" * 64)
    (bench.prefix / "long.key").chmod(0o600)
    from plugins.certs import make_authority
    ca = make_authority(bench.prefix / "certs") / "ca/cert.pem"
    gateway_text = f"""
    resolver 127.0.0.1;
    agent_zone agents 32m;
    agent_store redis://127.0.0.1:6379/0 password_file=@PREFIX@/secret;
    agent_store_admin redis://writer@127.0.0.1:6379/0 password_file=@PREFIX@/secret;
    agent_audit @PREFIX@/agent-audit.jsonl key=@PREFIX@/long.key;
    agent_key @PREFIX@/long.key;
    agent_state @PREFIX@/state;
    agent_issuer company {{
        issuer https://auth.company.example/realms/agents;
        algorithms ES256 PS256 RS256 Ed25519;
        claims user=sub agent=azp groups=groups tenant=tenant provider=agent_provider model=agent_model;
        tenants acme beta;
        client gateway secret_file=@PREFIX@/secret;
        clock_skew 30s;
        ca {ca};
    }}"""
    status, said = bench.nginx.test(bench.conf(
        gateway=gateway_text, resource="https://tools.company.example/mcp", forward=EXCHANGE,
        mcp="agent_origins https://claude.example https://ide.example;", tools="""
            agent_tool ticket.read { scope tickets:read; resource ticket:<id>; class confidential; }
            agent_tool delete_ticket { operation ticket.delete; scope tickets:write; resource ticket:<ticketId>;
                risk destructive; exchange audience=tickets-api scope=tickets:write; }"""))
    assert status == 0, said
