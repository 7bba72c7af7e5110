"""The private system behind the gateway: it records what reached it and answers as told."""
import json

from .server import Answer, Server

JSON = ("Content-Type", "application/json")
# What each of them answers with.
LISTS = {"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources",
         "resources/templates/list": "resourceTemplates"}


def is_modern(message):
    return "io.modelcontextprotocol/protocolVersion" in (message.get("params") or {}).get("_meta", {})


def json_answer(value, status=200, headers=()):
    return Answer(status, [JSON, *headers], json.dumps(value).encode())


def sse_answer(pieces, headers=()):
    return Answer(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), *headers], list(pieces))


class Backend(Server):
    """`answer` may be an Answer, HANG, or a function of what was received; None means: a plain good answer."""

    def __init__(self):
        super().__init__(self._choose)
        self.answer = None

    def reset(self):
        self.answer = None
        self.clear()

    def _choose(self, received):
        answer = self.answer(received) if callable(self.answer) else self.answer
        return answer if answer is not None else plain(received)


def plain(received):
    """What an obliging MCP server or REST API would say."""
    if received.method == "POST":
        try:
            message = json.loads(received.body)
        except ValueError:
            return json_answer({"stored": True}, 201)
        if isinstance(message, dict) and message.get("jsonrpc") == "2.0":
            if "id" not in message or "method" not in message:
                return Answer(202)
            result = {"content": [{"type": "text", "text": f"did {message['method']}"}]}
            listed = LISTS.get(message["method"])
            if listed:
                result = {listed: []}
                if is_modern(message):
                    result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            if message["method"] == "initialize":
                result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                          "serverInfo": {"name": "tickets", "version": "1"}}
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": result})
    return json_answer({"path": received.target, "method": received.method})
