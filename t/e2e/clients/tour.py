"""The Python SDK, and FastMCP on top of it, on the same tour as tour.mjs: one JSON object of what every step gave.

tour.py mcp|fastmcp --url MCP_URL --token TOKEN [--era legacy|auto|VERSION], with a Python that has the library.
Without --token FastMCP signs in as it does for its users, in a browser; with --document-port, and the --callback-port that the
document names, by a client document at DOCUMENT.
"""
import argparse
import asyncio
import json

import httpx2
import mcp_types as types
from document import serve_document
from mcp.client.streamable_http import streamable_http_client

DOCUMENT = "https://clients.example/tour.json"


async def elicit(*_):
    return types.ElicitResult(action="accept", content={"username": "mira", "email": "mira@company.example", "name": "Mira"})


async def sample(*_):
    return types.CreateMessageResult(role="assistant", model="model", content=types.TextContent(type="text", text="Paris"))


async def roots(*_):
    return types.ListRootsResult(roots=[types.Root(uri="file:///home/mira", name="home")])


async def steps(client, plain):
    """`plain`: makes of a list or a read the SDK's own result where the library gives only what is in it."""
    async def text(name, arguments, **how):
        return (await client.call_tool(name, arguments, **how)).content[0].text

    async def names(listed, key, name="name"):
        return [str(getattr(item, name)) for item in plain(await listed(), key)]

    async def complete():
        reference = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        answer = await client.complete(reference, {"name": "arg1", "value": "par"})
        return getattr(answer, "completion", answer).values

    async def progress():
        seen = []

        async def note(done, *_):
            seen.append(done)

        await client.call_tool("test_tool_with_progress", {}, **{PROGRESS[type(client).__module__.split(".")[0]]: note})
        return seen

    yield "tools", names(client.list_tools, "tools")
    yield "prompts", names(client.list_prompts, "prompts")
    yield "resources", names(client.list_resources, "resources", "uri")
    yield "call", text("test_simple_text", {})
    yield "resource", read(client, plain)
    yield "prompt", prompt(client)
    yield "complete", complete()
    yield "progress", progress()
    yield "mirrored", text("test_headers", {"region": "ä"})
    yield "elicited", text("test_elicitation", {"message": "Who are you?"})
    yield "sampled", text("test_sampling", {"prompt": "Capital of France?"})
    yield "rooted", text("test_input_required_result_list_roots", {})
    yield "hidden", text("test_error_handling", {})
    yield "hidden_prompt", client.get_prompt("test_prompt_with_image")
    yield "hidden_resource", client.read_resource("test://static-binary")
    yield "step_up", text("greet", {"name": "Mira"})


PROGRESS = {"mcp": "progress_callback", "fastmcp": "progress_handler"}


async def read(client, plain):
    return plain(await client.read_resource("test://static-text"), "contents")[0].text


async def prompt(client):
    return (await client.get_prompt("test_simple_prompt")).messages[0].content.text


async def tour(connecting, plain, version):
    told = {}
    async with connecting as client:
        told["version"] = version(client)
        async for name, step in steps(client, plain):
            try:
                told[name] = await step
            except Exception as error:
                told[name] = {"error": str(error), "code": getattr(getattr(error, "error", None), "code", None)}
        print(json.dumps(told, default=str), flush=True)


def sign_in(document_port, callback_port):
    """FastMCP's own helper, as Client(auth="oauth") makes it."""
    from fastmcp.client.auth import OAuth
    if not document_port:
        return OAuth(callback_timeout=60)
    serve_document(DOCUMENT, f"http://localhost:{callback_port}/callback", document_port)
    return OAuth(callback_timeout=60, client_metadata_url=DOCUMENT, callback_port=callback_port)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=PROGRESS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token")
    parser.add_argument("--era", default="auto")
    for name in ("--document-port", "--callback-port"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    headers = {"Authorization": "Bearer " + given.token} if given.token else None
    if given.library == "mcp":
        from mcp import Client
        async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
            await tour(Client(streamable_http_client(given.url, http_client=http), mode=given.era, cache=None,
                              elicitation_callback=elicit, sampling_callback=sample, list_roots_callback=roots),
                       getattr, lambda client: client.session.protocol_version)
    else:
        from fastmcp import Client
        from fastmcp.client.transports import StreamableHttpTransport
        auth = None if given.token else sign_in(given.document_port, given.callback_port)
        await tour(Client(StreamableHttpTransport(given.url, headers=headers, auth=auth), mode=given.era, elicitation_handler=elicit,
                          sampling_handler=sample, roots=["file:///home/mira"]),
                   lambda items, _: items, lambda client: client.protocol_version)


asyncio.run(main())
