"""The smallest MCP server that gateways accept which insist on being its client. Usage: mcp_server.py PORT ANSWER_BYTES

Python's standard library only, so that every gateway's environment can run it. It costs some 100 µs a call, far
less than any of those gateways.
"""
import asyncio
import json
import sys

TOOLS = [{"name": name, "description": f"{name} of a ticket",
          "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}
         for name in ("ticket.read", "ticket.delete")]


def result_of(method, params, answer):
    """-> result, or None for a method that isn't known"""
    if method == "initialize":
        return {"protocolVersion": params.get("protocolVersion", "2025-06-18"), "capabilities": {"tools": {}},
                "serverInfo": {"name": "tickets", "version": "1"}}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": answer}], "isError": False}
    return {} if method == "ping" else None


def respond(body, answer):
    """-> status line's end, body"""
    message = json.loads(body)
    if "id" not in message or "method" not in message:
        return "202 Accepted", b""
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    result = result_of(message["method"], message.get("params") or {}, answer)
    if result is None:
        reply["error"] = {"code": -32601, "message": "Method not found"}
    else:
        reply["result"] = result
    return "200 OK", json.dumps(reply, separators=(",", ":")).encode()


async def serve(reader, writer, answer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = 0
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    size = int(value)
            body = await reader.readexactly(size)
            status, reply = respond(body, answer) if head.startswith("POST ") else ("405 Method Not Allowed", b"")
            kind = "Content-Type: application/json\r\n" if reply else ""
            writer.write(f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(reply)}\r\n\r\n".encode() + reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port, size):
    answer = "x" * size

    async def handle(reader, writer):
        await serve(reader, writer, answer)

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
