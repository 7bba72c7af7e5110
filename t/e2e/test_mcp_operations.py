"""One POST, read strictly: what is judged is what the backend reads. Beside each refusal stands what passes."""
import json

import pytest

from plugins import mcp
from plugins.backend import json_answer
from plugins.site import allowed, denied, hidden

GOOD = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-1"}}}'


def malformed(site, answer, reason=None, code=None, status=400):
    assert answer.status == status, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    reasons = (reason,) if isinstance(reason, str) else reason
    event = answer.event()
    assert reasons is None or event["reason"] in reasons, event["reason"]
    assert code is None or error["code"] == code, error
    assert event["outcome"] == "refused" and site.backend.count() == 0
    return error


def test_the_judged_bytes_are_the_forwarded_ones(site):
    for body in (GOOD, GOOD.replace(b",", b" ,\n\t"), GOOD.replace(b"T-1", b"T-\\u0031"),
                 GOOD.replace(b"ticket.read", b"\\u0074icket.read"), GOOD + b"\n "):
        site.backend.clear()
        allowed(site.post(body))
        assert site.backend.last.body == body
        assert site.backend.last.target == "/mcp"


# name -> (body, reason, JSON-RPC code)
BODIES = {
    "empty": (b"", ("json_invalid", "message_malformed"), None),
    "no JSON": (b"hello", "json_invalid", -32700),
    "cut": (GOOD[:-1], "json_invalid", -32700),
    "more after the message": (GOOD + b"{}", "json_invalid", -32700),
    "two messages": (GOOD + b"\n" + GOOD, "json_invalid", -32700),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "json_invalid", -32700),
    "UTF-16": (GOOD.decode().encode("utf-16"), "json_invalid", -32700),
    "invalid UTF-8": (GOOD.replace(b"T-1", b"T-\xff"), "json_invalid", -32700),
    "overlong UTF-8": (GOOD.replace(b"T-1", b"\xc0\xaf"), "json_invalid", -32700),
    "a surrogate in UTF-8": (GOOD.replace(b"T-1", b"\xed\xa0\x80"), "json_invalid", -32700),
    "half a surrogate pair": (GOOD.replace(b"T-1", b"\\ud800"), "json_invalid", -32700),
    "a raw NUL": (GOOD.replace(b"T-1", b"T\x001"), "json_invalid", -32700),
    "an escaped NUL in the tool": (GOOD.replace(b"ticket.read", b"ticket.read\\u0000"), None, None),
    "a raw control character": (GOOD.replace(b"T-1", b"T\n1"), "json_invalid", -32700),
    "a comment": (GOOD.replace(b"{", b"{/**/", 1), "json_invalid", -32700),
    "a trailing comma": (GOOD.replace(b"}}}", b"},}}"), "json_invalid", -32700),
    "NaN": (GOOD.replace(b'"T-1"', b"NaN"), "json_invalid", -32700),
    "a number beyond numbers": (GOOD.replace(b'"id":1', b'"id":1e999'), None, None),
    "deep nesting": (GOOD.replace(b'"T-1"', b'"T-1","x":' + b"[" * 2000 + b"]" * 2000), None, None),
    "deep nesting of objects": (GOOD.replace(b'"T-1"', b'"T-1","x":' + b'{"a":' * 500 + b"1" + b"}" * 500), None, None),
    "a string": (b'"tools/call"', "message_malformed", -32600),
    "null": (b"null", "message_malformed", -32600),
    "a number": (b"7", "message_malformed", -32600),
    "a batch": (b"[" + GOOD + b"]", "batch_refused", -32600),
    "a batch of two": (b"[" + GOOD + b"," + GOOD + b"]", "batch_refused", -32600),
    "an empty batch": (b"[]", "batch_refused", -32600),
    "a batch behind white space": (b" \n\t[" + GOOD + b"]", "batch_refused", -32600),
    "no version": (GOOD.replace(b'"jsonrpc":"2.0",', b""), "message_malformed", -32600),
    "version 1.0": (GOOD.replace(b'"2.0"', b'"1.0"'), "message_malformed", -32600),
    "version as a number": (GOOD.replace(b'"2.0"', b"2.0"), "message_malformed", -32600),
    "an id that is an object": (GOOD.replace(b'"id":1', b'"id":{}'), "message_malformed", -32600),
    "an id that is null": (GOOD.replace(b'"id":1', b'"id":null'), "message_malformed", -32600),
    "an id that is true": (GOOD.replace(b'"id":1', b'"id":true'), "message_malformed", -32600),
    "a method that is a number": (GOOD.replace(b'"tools/call"', b"7"), "message_malformed", -32600),
    "params that are a list": (GOOD.replace(b'"params":{"name":"ticket.read","arguments":{"id":"T-1"}}',
                                            b'"params":[]'), None, None),
    "no tool": (GOOD.replace(b'"name":"ticket.read",', b""), "params_invalid", -32602),
    "a tool that is a number": (GOOD.replace(b'"ticket.read"', b"7"), "params_invalid", -32602),
    "arguments that are a list": (GOOD.replace(b'{"id":"T-1"}', b'["T-1"]'), "params_invalid", -32602),
    "arguments that are a string": (GOOD.replace(b'{"id":"T-1"}', b'"{}"'), "params_invalid", -32602),
    "method twice": (GOOD.replace(b'"id":1', b'"id":1,"method":"ping"'), "key_duplicate", -32600),
    "params twice": (GOOD[:-1] + b',"params":{"name":"delete_ticket"}}', "key_duplicate", -32600),
    "id twice": (GOOD.replace(b'"id":1', b'"id":1,"id":2'), "key_duplicate", -32600),
    "method twice, once escaped": (GOOD.replace(b'"id":1', b'"id":1,"\\u006dethod":"ping"'), "key_duplicate", -32600),
    "name twice": (GOOD.replace(b'"name":"ticket.read"', b'"name":"ticket.read","name":"delete_ticket"'),
                   "key_duplicate", -32600),
    "arguments twice": (GOOD.replace(b'"arguments"', b'"arguments":{"id":"T-2"},"arguments"'), "key_duplicate", -32600),
    "an argument twice": (GOOD.replace(b'"id":"T-1"', b'"id":"T-1","id":"T-2"'), "key_duplicate", -32600),
    "an argument twice, once escaped": (GOOD.replace(b'"id":"T-1"', b'"id":"T-1","\\u0069d":"T-2"'),
                                        "key_duplicate", -32600),
    "a nested key twice": (GOOD.replace(b'"id":"T-1"', b'"id":"T-1","x":{"a":1,"a":2}'), "key_duplicate", -32600),
    "_meta key twice": (GOOD.replace(b'"name"', b'"_meta":{"progressToken":1,"progressToken":2},"name"'),
                        "key_duplicate", -32600),
    "Method": (GOOD.replace(b'"id":1', b'"id":1,"Method":"ping"'), "key_lookalike", -32600),
    "METHOD alone": (GOOD.replace(b'"method"', b'"METHOD"'), None, -32600),
    "Params": (GOOD.replace(b'"id":1', b'"id":1,"Params":{}'), "key_lookalike", -32600),
    "param\u017f": (GOOD.replace(b'"id":1', '"id":1,"param\u017f":{}'.encode()), "key_lookalike", -32600),
    "param\\u017f": (GOOD.replace(b'"id":1', b'"id":1,"param\\u017f":{}'), "key_lookalike", -32600),
    "jsonrpc in capitals": (GOOD.replace(b'"id":1', b'"id":1,"JSONRPC":"2.0"'), "key_lookalike", -32600),
    "Name": (GOOD.replace(b'"name":"ticket.read"', b'"name":"ticket.read","Name":"delete_ticket"'),
             "key_lookalike", -32600),
    "Arguments": (GOOD.replace(b'"arguments"', b'"Arguments":{"id":"T-2"},"arguments"'), "key_lookalike", -32600),
    "an argument in capitals": (GOOD.replace(b'"id":"T-1"', b'"id":"T-1","ID":"T-2"'), "key_lookalike", -32600),
    "an argument with a dotless i": (GOOD.replace(b'"id":"T-1"', '"id":"T-1","\u0130d":"T-2"'.encode()), None, None),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(site, name, chunked):
    body, reason, code = BODIES[name]
    answer = site.post(body, chunked=chunked)
    if name == "an argument with a dotless i":  # no Unicode fold makes it `id`: either reading is sound
        assert answer.status in (200, 400)
        return
    if name == "an escaped NUL in the tool" and answer.status == 200:
        assert answer.json()["error"]["code"] == -32602 and site.backend.count() == 0
        return
    malformed(site, answer, reason, code)


def test_the_bodies_above_differ_from_one_that_passes(site):
    allowed(site.post(GOOD))


@pytest.mark.parametrize("id_", [7, "7", "a b", 0, -1, "", "x" * 200, 2 ** 53])
def test_ids_come_back_as_sent(site, id_):
    answer = site.call(id=id_)
    assert allowed(answer)["id"] == id_
    event = answer.event()
    assert event["mcp"]["id"] == json.dumps(id_) or event["mcp"]["id"] == id_
    refused = site.call("unknown.tool", id=id_)
    assert refused.json()["id"] == id_ and type(refused.json()["id"]) is type(id_)


def test_seven_is_not_seven(site):
    number, text = site.call(id=7).event()["mcp"]["id"], site.call(id="7").event()["mcp"]["id"]
    assert number != text


# method -> params; pass for an agent without any grant
FREE = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
        "ping": None, "tools/list": {}, "prompts/list": {}, "resources/list": {}, "resources/templates/list": {},
        "logging/setLevel": {"level": "info"}}


@pytest.mark.parametrize("method", FREE)
def test_handshake_ping_and_lists_need_no_grant(site, method):
    token = site.token(agent="bare-agent", user="nobody", groups=[], scope="")
    answer = site.post(mcp.message(method, FREE[method]), token)
    allowed(answer)
    assert site.post(mcp.message(method, FREE[method]), None).status == 401
    assert answer.event()["decision"] == "allow"
    assert answer.event()["type"] == "mcp." + method.replace("/", ".")


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled", "notifications/progress",
                                    "notifications/roots/list_changed"])
def test_notifications_need_no_grant(site, method):
    message = mcp.message(method, {"requestId": 1, "progressToken": 1, "progress": 1}, id=None)
    assert site.post(message, site.token(agent="bare-agent", groups=[])).status == 202
    assert site.post(message, None).status == 401


@pytest.mark.parametrize("reply", [{"result": {"action": "accept"}}, {"error": {"code": -1, "message": "no"}}])
def test_answers_to_the_server_pass_and_are_audited(site, reply):
    message = {"jsonrpc": "2.0", "id": 4} | reply
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=[("Mcp-Session-Id", "s-1")])
    session = site.post(mcp.message("initialize", {"protocolVersion": mcp.LEGACY})).header("Mcp-Session-Id")
    site.backend.answer = None
    answer = site.post(message, headers=[("Mcp-Session-Id", session)])
    assert answer.status == 202 and answer.event()["decision"] == "allow"
    assert site.backend.last.header("Mcp-Session-Id") == "s-1"
    assert site.post(message, None).status == 401
    both = site.post({"jsonrpc": "2.0", "id": 4, "result": {}, "error": {"code": 1, "message": "x"}})
    assert both.status == 400


@pytest.mark.parametrize("method", ["tools/Call", "tools/call ", "TOOLS/CALL", "tools//call", "admin/delete", "rpc.x",
                                    "tools/call/", "tasks/drop", "sampling/createMessage"])
def test_unknown_methods_are_denied(site, method):
    answer = site.post(mcp.message(method, {"name": "ticket.read", "arguments": {"id": "T-1"}}))
    assert answer.status == 200 and answer.json()["error"]["code"] == -32601
    assert answer.event()["reason"] == "method_unknown" and site.backend.count() == 0
    headers, body = mcp.modern(method.strip(), {"name": "ticket.read"})
    modern = site.post(body, headers=headers)
    assert modern.status in (404, 400) and modern.json()["error"]["code"] in (-32601, -32020)


@pytest.mark.parametrize("tool", ["unknown", "Ticket.read", "ticket.READ", "ticket.read ", " ticket.read",
                                  "ticket.reaḍ", "ticket.delete", "tickets/ticket.read", "ticket.rea", "*", "ticket.*"])
def test_tools_are_exact_bytes(site, tool):
    answer = site.call(tool)
    hidden(answer, tool)
    assert answer.event()["reason"] == "operation_unknown" and site.backend.count() == 0
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    allowed(site.post(body, headers=headers))


ARGUMENTS = {
    "missing": ({}, "argument_missing"),
    "null": ({"id": None}, "argument_invalid"),
    "true": ({"id": True}, "argument_invalid"),
    "a list": ({"id": ["T-1"]}, "argument_invalid"),
    "an object": ({"id": {"id": "T-1"}}, "argument_invalid"),
    "empty": ({"id": ""}, "argument_invalid"),
    "a fraction": ({"id": 1.5}, "argument_invalid"),
    "nested where it isn't looked for": ({"filter": {"id": "T-1"}}, "argument_missing"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_a_resource_needs(site, name):
    arguments, reason = ARGUMENTS[name]
    denied(site.call(arguments=arguments), reason)
    assert site.backend.count() == 0
    allowed(site.call(arguments={"id": "T-1", "more": [1, {"id": "T-2"}]}))


def test_nested_arguments(site):
    allowed(site.call("ticket.find", {"filter": {"id": "T-1"}, "id": "T-9"}))
    denied(site.call("ticket.find", {"id": "T-1"}), "argument_missing")
    denied(site.call("ticket.find", {"filter": "T-1"}), "argument_invalid")
    denied(site.call("ticket.find", {"filter/id": "T-1"}), "argument_missing")
    denied(site.call("ticket.find", {"filter": [{"id": "T-1"}]}), "argument_invalid")


@pytest.mark.parametrize("value,resource", [
    ("T-1", "ticket:T-1"), ("T-391", "ticket:T-391"), ("*", "ticket:%2A"), ("T-1*", "ticket:T-1%2A"),
    ("a:b", "ticket:a%3Ab"), ("a/b", "ticket:a%2Fb"), ("../T-1", "ticket:..%2FT-1"), ("é", "ticket:%C3%A9"),
    ("a b", "ticket:a%20b"), ("%2A", "ticket:%252A"), ("T-1|x", "ticket:T-1%7Cx"), ("{t}", "ticket:%7Bt%7D")])
def test_values_are_encoded_before_they_enter_a_resource(site, value, resource):
    answer = site.call(arguments={"id": value})
    allowed(answer)
    assert answer.event()["resource"] == resource
    narrow = site.call(arguments={"id": value}, token=site.token(agent="narrow-agent"))
    if value == "T-1":
        allowed(narrow)
    else:
        denied(narrow, "agent_grant_missing")
