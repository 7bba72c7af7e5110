"""The harness itself, on a stock nginx without the module: a story is worth what its instruments are."""
import json
import shutil

import pytest

from plugins import http, jose, mcp
from plugins.backend import Backend, sse_answer
from plugins.issuer import ACCESS_TOKEN, EXCHANGE, Issuer
from plugins.nginx import Nginx
from plugins.redis import Redis, hashes, key
from plugins.server import HANG
from plugins.site import Site
from plugins.policy import base, tenant
from plugins.wait import eventually, free_port

PLAIN = """
user root; daemon off; worker_processes 2; pid {prefix}/nginx.pid; error_log {prefix}/logs/error.log info;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {prefix}/tmp/b; proxy_temp_path {prefix}/tmp/p;
  fastcgi_temp_path {prefix}/tmp/f; uwsgi_temp_path {prefix}/tmp/u; scgi_temp_path {prefix}/tmp/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_buffering off; }} {more} }} }}
"""


@pytest.fixture
def plain(tmp_path, serve):
    backend = serve(Backend())
    nginx, port = Nginx(tmp_path), free_port()

    def conf(more=""):
        return PLAIN.format(prefix=tmp_path, port=port, backend=backend.port, more=more)

    nginx.start(conf())
    nginx.port, nginx.conf_of = port, conf
    yield nginx, backend
    backend.stop()
    nginx.close()


def test_the_backend_records_what_it_received(plain):
    nginx, backend = plain
    answer = http.request(nginx.port, "POST", "/a//b?x=%2f", [("X-One", "1"), ("X-One", "2")], b"abc" * 9, chunked=True)
    assert answer.status == 201
    assert backend.last.target == "/a//b?x=%2f" and backend.last.body == b"abc" * 9
    assert backend.last.all("x-one") == ["1", "2"]


def test_the_backend_streams_piece_by_piece(plain):
    import threading
    nginx, backend = plain
    more = threading.Event()
    backend.answer = sse_answer(["data: 1\n\n", more, "data: 2\n\n"])
    stream = http.begin(nginx.port, "GET", "/")
    assert b"data: 1" in stream.read_until(b"\n\n")
    more.set()
    assert b"data: 2" in stream.read_until(b"\n\n")
    stream.close()


def test_a_hung_backend_is_a_timeout(plain):
    nginx, backend = plain
    backend.answer = HANG
    with pytest.raises(TimeoutError):
        http.request(nginx.port, "GET", "/", timeout=0.3)


def test_a_reload_brings_new_workers_and_a_bad_one_keeps_the_old(plain):
    nginx, _ = plain
    first = set(nginx.workers())
    nginx.reload(nginx.conf_of('location = /new { return 200 "new"; }'), gone=True)
    assert not first & set(nginx.workers())
    assert http.request(nginx.port, "GET", "/new").text == "new"
    assert "nonsense" in nginx.reload_refused(nginx.conf_of("nonsense;"))
    assert http.request(nginx.port, "GET", "/new").text == "new"
    nginx.write_conf(nginx.conf_of())


def test_nginx_t_says_where(plain):
    nginx, _ = plain
    status, said = nginx.test(nginx.conf_of("nonsense;"))
    assert status == 1 and "candidate.conf:" in said
    nginx.allow(r"\[emerg\]")


def test_an_alert_fails_the_teardown(tmp_path):
    nginx = Nginx(tmp_path)
    nginx.error_log_path.write_text("2026/11/21 [alert] 1#0: worker process 7 exited on signal 11\n")
    with pytest.raises(AssertionError):
        nginx.check()
    nginx.allow("exited on signal 11")
    nginx.check()


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_tokens_verify(alg):
    key_ = jose.Key(alg)
    token = jose.compact({"alg": alg}, {"sub": "mira"}, key_)
    data, _, signature = token.rpartition(".")
    if not alg.startswith("RS") or alg == "RS256":
        key_.verify(data.encode(), jose.b64u_decode(signature))
    assert jose.claims_of(token) == {"sub": "mira"}


def test_the_issuer_serves_metadata_keys_and_exchange(serve):
    issuer = serve(Issuer(audience="here", path="/realms/a"))
    token = issuer.token()
    for path in ("/.well-known/oauth-authorization-server/realms/a", "/realms/a/.well-known/openid-configuration"):
        assert http.request(issuer.port, "GET", path).json()["issuer"] == issuer.url
    assert http.request(issuer.port, "GET", "/realms/a/jwks").json()["keys"][0]["kid"] == issuer.key().kid
    form = (f"grant_type={EXCHANGE}&subject_token={token}&subject_token_type={ACCESS_TOKEN}&audience=api"
            "&scope=tickets%3Aread")
    good = http.request(issuer.port, "POST", "/realms/a/token", [("Authorization", "Basic " + jose.base64.b64encode(
        b"gateway:gateway-secret").decode())], form)
    assert jose.claims_of(good.json()["access_token"])["aud"] == "api"
    assert http.request(issuer.port, "POST", "/realms/a/token", [], form).status == 401
    assert issuer.count("/realms/a/token") == 2


@pytest.mark.parametrize("fault,status", [("500", 500), ("garbage", 200), ("redirect", 302), ("empty", 200)])
def test_the_issuer_misbehaves_on_demand(serve, fault, status):
    issuer = serve(Issuer())
    issuer.fault = {"jwks": fault}
    assert http.request(issuer.port, "GET", "/jwks").status == status
    issuer.fault = {}
    assert "keys" in http.request(issuer.port, "GET", "/jwks").json()
    issuer.stop()
    with pytest.raises(OSError):
        http.request(issuer.port, "GET", "/jwks")
    issuer.start()
    assert http.request(issuer.port, "GET", "/jwks").status == 200


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "password", "acl"])
def test_redis_in_every_variant(make_redis, kind):
    server = make_redis(kind)
    server.load(base())
    assert server.client.hget(key("agent:company|docs-assistant"), "tier") == "developer"
    assert server.client.hget(key("meta"), "version") == "1"


def test_redis_keys_are_percent_encoded():
    policy = base()
    tenant(policy)["agents"] = {"company|https://a.example/x:y|z}": {"name": "odd"}}
    assert key("agent:company|https%3A%2F%2Fa.example%2Fx%3Ay%7Cz%7D") in hashes("default", tenant(policy))


def test_messages():
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    assert dict(headers)["Mcp-Name"] == "ticket.read" and body["params"]["_meta"]


def test_eventually_says_why():
    with pytest.raises(AssertionError, match="why"):
        def never():
            assert False, "why"
        eventually(never, timeout=0.05)
