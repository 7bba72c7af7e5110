"""The official Python SDK, from a URL to tool calls: the same story, options and output as story.mjs tells of.

Started with the suite's own Python: login_python.py --url MCP_URL [--mode dcr|cimd|prereg] … [--call 'TOOL JSON']…
"""
import argparse
import asyncio
import json
import re
import sys
import threading
from html import unescape
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

REDIRECT_URI = "http://127.0.0.1:3335/callback"  # nothing listens: the person stops there
MAX_STEPS = 15


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


class Person:
    """Signs in and consents without a browser, on the pages of the demo's authorization server and of Keycloak."""

    def __init__(self, user, password):
        self._user, self._password = user, password
        # Like a browser: cookies marked Secure go over plain http where the host is loopback.
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._http, self._redirect = httpx2.AsyncClient(cookies=jar), {}

    async def open(self, url):
        asked = _query(url)
        tell("authorize", **{name: asked.get(name) for name in ("client_id", "scope", "resource")})
        response = await self._http.get(url)
        for _ in range(MAX_STEPS):
            if response.is_redirect:
                url = urljoin(url, response.headers["location"])
                if url.startswith(REDIRECT_URI):
                    self._redirect = _query(url)
                    return
                response = await self._http.get(url)
                continue
            form = re.search(r"<form\b([^>]*)>(.*?)</form>", response.text, re.S | re.I)
            if response.is_error or not form:
                raise RuntimeError(f"a page without a way on: HTTP {response.status_code} {response.text[:300]}")
            url = urljoin(url, _attribute(form[1], "action") or url)
            response = await self._http.post(url, data=self._fill(form[2]))
        raise RuntimeError(f"more than {MAX_STEPS} pages")

    async def result(self):
        if "error" in self._redirect:
            raise RuntimeError(f"{self._redirect['error']}: {self._redirect.get('error_description')}")
        return AuthorizationCodeResult(code=self._redirect["code"], state=self._redirect.get("state"), iss=self._redirect.get("iss"))

    def _fill(self, form):
        known = {"user": self._user, "username": self._user, "password": self._password, "allow": "yes"}
        filled = {}
        for tag in re.findall(r"<(?:input|button)\b[^>]*>", form, re.I):
            name = _attribute(tag, "name")
            if name and name != "cancel":
                filled.setdefault(name, known.get(name, _attribute(tag, "value") or ""))
        return filled


def _query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _attribute(tag, name):
    match = re.search(rf"\b{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", tag, re.I)
    return unescape(next(group for group in match.groups() if group is not None)) if match else None


def serve_document(client_id, port):
    document = json.dumps({
        "client_id": client_id, "client_name": "Document client", "application_type": "native",
        "redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "token_endpoint_auth_method": "none",
    }).encode()

    class Document(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Document)
    threading.Thread(target=server.serve_forever, daemon=True).start()


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
    person = Person(opts.user, opts.password or opts.user)
    grant_types = ["authorization_code"] if opts.no_refresh else ["authorization_code", "refresh_token"]
    auth = OAuthClientProvider(
        opts.url,
        OAuthClientMetadata(client_name="Headless Python", redirect_uris=[REDIRECT_URI], grant_types=grant_types, token_endpoint_auth_method="none"),
        store,
        redirect_handler=person.open,
        callback_handler=person.result,
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
        serve_document(chosen.document_url, chosen.document_port)
    try:
        asyncio.run(main(chosen))
    except BaseException as error:
        tell("failed", error=type(innermost(error)).__name__, message=str(innermost(error)))
        sys.exit(1)
