"""The official Python SDK, from a URL to tool calls: the same story, options and output as story.mjs tells of.

Started with the suite's own Python: login_python.py --url MCP_URL [--mode dcr|cimd|prereg] … [--call 'TOOL JSON']…
"""
import argparse
import asyncio
import json
import sys

import person
from document import serve_document
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

REDIRECT_URI = "http://127.0.0.1:3335/callback"  # nothing listens: the person stops there


def tell(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--mode", choices=["dcr", "cimd", "prereg"], default="dcr")
    parser.add_argument("--client-id", default="prereg")
    parser.add_argument("--user", default="mira")
    parser.add_argument("--password")
    parser.add_argument("--era", default="auto")
    parser.add_argument("--no-refresh", action="store_true")
    parser.add_argument("--pause-ms", type=int, default=0)
    parser.add_argument("--document-port", type=int, default=0)
    parser.add_argument("--document-url", default="https://clients.example/headless.json")
    parser.add_argument("--call", action="append", default=[])
    return parser.parse_args()


class Store:
    """What the SDK keeps between runs, kept for this one."""

    def __init__(self, client):
        self._client, self._tokens = client, None

    async def get_tokens(self):
        return self._tokens

    async def set_tokens(self, tokens):
        self._tokens = tokens
        tell("tokens", scope=tokens.scope, refresh=bool(tokens.refresh_token))

    async def get_client_info(self):
        return self._client

    async def set_client_info(self, client):
        self._client = client
        tell("registered", client_id=client.client_id)


class Person(person.Person):
    """What the SDK asks of a person, with what came of it."""

    async def open(self, url):
        tell("authorize", **person.asked_for(url))
        self._redirect = person.query(await asyncio.to_thread(self.sign_in, url, REDIRECT_URI))

    async def result(self):
        if "error" in self._redirect:
            raise RuntimeError(f"{self._redirect['error']}: {self._redirect.get('error_description')}")
        return AuthorizationCodeResult(code=self._redirect["code"], state=self._redirect.get("state"), iss=self._redirect.get("iss"))


class Observer:
    """What HTTP said to the last tools/call; the SDK itself shows only the JSON-RPC side of it."""

    def __init__(self):
        self.last = {}

    async def __call__(self, response):
        request = response.request
        if request.method != "POST" or b'"tools/call"' not in request.content:
            return
        self.last = {"status": response.status_code, "request_id": response.headers.get("x-request-id")}
        if response.status_code == 403:
            tell("step_up", **self.last, challenge=response.headers.get("www-authenticate"))


def innermost(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def call(client, observer, line):
    tool, _, arguments = line.partition(" ")
    observer.last = {}
    try:
        result = await client.call_tool(tool, json.loads(arguments or "{}"))
    except Exception as error:
        if not observer.last:
            raise
        refusal = getattr(innermost(error), "error", None)
        data = getattr(refusal, "data", None) or {}
        tell("call", tool=tool, **observer.last, reason=data.get("reason"), code=getattr(refusal, "code", None), message=str(innermost(error)))
        return
    text = result.content[0].text if result.content else ""
    try:
        value = json.loads(text)
    except ValueError:
        value = {"isError": result.is_error, "text": text}
    tell("call", tool=tool, **observer.last, result=value)


async def main(opts):
    registered = OAuthClientInformationFull(
        client_id=opts.client_id, redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none") if opts.mode == "prereg" else None
    store, observer = Store(registered), Observer()
    user = Person(opts.user, opts.password or opts.user)
    grant_types = ["authorization_code"] if opts.no_refresh else ["authorization_code", "refresh_token"]
    auth = OAuthClientProvider(
        opts.url,
        OAuthClientMetadata(client_name="Headless Python", redirect_uris=[REDIRECT_URI], grant_types=grant_types, token_endpoint_auth_method="none"),
        store,
        redirect_handler=user.open,
        callback_handler=user.result,
        client_metadata_url=opts.document_url if opts.mode == "cimd" else None,
    )
    async with create_mcp_http_client(auth=auth) as http:
        http.event_hooks["response"].append(observer)
        async with Client(streamable_http_client(opts.url, http_client=http), mode=opts.era, cache=None) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]  # a pinned era makes no request before the first one
            tell("connected", version=client.session.protocol_version, client_id=(await store.get_client_info()).client_id)
            tell("tools", tools=tools)
            for index, line in enumerate(opts.call):
                if index:
                    await asyncio.sleep(opts.pause_ms / 1000)  # lets an access token expire
                await call(client, observer, line)


if __name__ == "__main__":
    chosen = options()
    if chosen.mode == "cimd":
        serve_document(chosen.document_url, REDIRECT_URI, chosen.document_port)
    try:
        asyncio.run(main(chosen))
    except BaseException as error:
        tell("failed", error=type(innermost(error)).__name__, message=str(innermost(error)))
        sys.exit(1)
