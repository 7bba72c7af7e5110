"""Key sets: discovered, refreshed, rotated, from a file, behind a private CA or a proxy, and when the issuer fails."""
import json
import threading
import time

import pytest

from plugins import jose
from plugins.issuer import METADATA, Issuer
from plugins.server import HANG, Answer, Server
from plugins.wait import eventually, free_port


def ok(site, token):
    answer = site.call(token=token)
    assert answer.status == 200 and "result" in answer.json(), f"{answer.status} {answer.text}"


def unavailable(answer):
    assert answer.status == 503, f"{answer.status} {answer.text}"
    assert int(answer.header("Retry-After")) >= 1
    assert answer.json()["error"]["code"] == 5030
    assert answer.json()["error"]["data"]["reason"] == "issuer_unavailable"
    assert answer.event()["reason"] == "issuer_unavailable"


@pytest.mark.parametrize("form", METADATA)
@pytest.mark.parametrize("path", ["", "/realms/agents"])
def test_either_kind_of_metadata_will_do(make_site, serve, form, path):
    issuer = Issuer(path=path)
    issuer.serves = {form}
    serve(issuer)
    site = _with(make_site, issuer)
    ok(site, site.token())


def _with(make_site, authority, **pieces):
    """A site whose tokens come from this issuer."""
    site = make_site(start=False, keys=f"issuer {authority.url};", **pieces)
    authority.audience, site.issuer = site.issuer.audience, authority
    return site.start()


def test_metadata_that_names_another_issuer_is_not_believed(make_site):
    site = make_site(start=False)
    site.issuer.metadata_changes = {"issuer": "https://evil.example"}
    site.start()
    unavailable(site.call())
    site.issuer.metadata_changes = {}
    eventually(lambda: site.call().status == 200, timeout=15, interval=0.3)


@pytest.mark.parametrize("uri", ["http://evil.example/jwks", "file:///etc/passwd", "ftp://127.0.0.1/jwks", "jwks", 7])
def test_a_key_set_lies_on_a_usable_url(make_site, uri):
    site = make_site(start=False)
    site.issuer.metadata_changes = {"jwks_uri": uri}
    site.start()
    unavailable(site.call())


def test_a_redirect_is_not_followed(make_site):
    site = make_site(start=False)
    site.issuer.fault = {"jwks": "redirect"}
    site.start()
    unavailable(site.call())
    assert not any("again" in r.target for r in site.issuer.requests)


def test_a_new_key_is_found_when_its_first_token_comes(make_site):
    site = make_site()
    old = site.token()
    ok(site, old)
    fetched = site.issuer.count("/jwks")
    site.issuer.rotate(keep=True)
    eventually(lambda: site.call().status == 200, timeout=5, interval=0.1)
    ok(site, old)
    assert 1 <= site.issuer.count("/jwks") - fetched <= 4


def test_a_key_that_goes_takes_its_tokens_along(make_site):
    site = make_site(issuer="keys_refresh 1s;")
    old = site.token()
    ok(site, old)
    site.issuer.rotate()
    ok_new = eventually(lambda: site.call(token=site.token()).status == 200, timeout=6, interval=0.2)
    assert ok_new
    gone = eventually(lambda: [a for a in [site.call(token=old)] if a.status == 401], timeout=6, interval=0.2)[0]
    assert gone.event()["reason"] in ("token_key_unknown", "token_signature_invalid")


def test_the_same_kid_with_other_material(make_site):
    site = make_site(issuer="keys_refresh 1s;")
    old = site.token()
    ok(site, old)
    kid = site.issuer.key().kid
    site.issuer.keys["ES256"] = jose.Key("ES256", kid)
    eventually(lambda: site.call(token=old).status == 401, timeout=6, interval=0.2)
    ok(site, site.token())


def test_a_flood_of_unknown_kids_costs_the_issuer_nothing(make_site):
    site = make_site(floor="10s")
    ok(site, site.token())
    before = site.issuer.count("/jwks")
    tokens = [site.token(header={"kid": f"unknown-{i}"}) for i in range(150)]

    def some(part):
        for token in part:
            assert site.call(token=token).status == 401

    threads = [threading.Thread(target=some, args=(tokens[i::6],)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert site.issuer.count("/jwks") - before <= 2, "one refresh in the floor's time; two workers at most"
    ok(site, site.token())


def test_a_cold_start_under_load_fetches_once(make_site):
    site = make_site(start=False, workers="1")
    site.issuer.fault = {"jwks": "slow"}
    site.start()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(site.call().status)) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [200] * 12
    assert site.issuer.count("/jwks") <= 2


@pytest.mark.parametrize("place", ["metadata", "jwks"])
@pytest.mark.parametrize("fault", ["hang", "garbage", "500", "empty", "cut", "oversized"])
def test_fault_of_the_issuer_at_the_first_fetch(make_site, place, fault):
    site = make_site(start=False, timeout="700ms")
    site.issuer.fault = {place: fault}
    site.start()
    begun = time.monotonic()
    unavailable(site.call())
    assert time.monotonic() - begun < 6
    site.issuer.fault = {}
    eventually(lambda: site.call().status == 200, timeout=20, interval=0.3)


def test_fault_issuer_stopped_at_start_and_up_later(make_site):
    site = make_site(start=False)
    site.issuer.stop()
    site.start()
    unavailable(site.call())
    site.issuer.start()
    eventually(lambda: site.call().status == 200, timeout=20, interval=0.3)


def test_fault_a_flood_while_the_issuer_is_down_costs_it_nothing(make_site):
    """Anybody can send something that looks like a token: it must not become a request each, nor a line each."""
    site = make_site(start=False)
    site.issuer.fault = {"all": "500"}
    site.start()
    token = site.token()
    asked, begun = len(site.issuer.requests), time.monotonic()
    for _ in range(200):
        answer = site.call(token=token)
        assert answer.status == 503 and int(answer.header("Retry-After")) >= 1
    seconds = time.monotonic() - begun
    assert len(site.issuer.requests) - asked <= 4 * (seconds + 2), "both well-known URLs, about once a second"
    said = [line for line in site.nginx.error_log.splitlines() if "can't be fetched" in line]
    assert len(said) <= 2, "once for each worker"
    site.issuer.fault = {}
    eventually(lambda: site.call(token=token).status == 200, timeout=3, interval=0.1)


@pytest.mark.parametrize("hanging", METADATA)
def test_fault_one_well_known_url_hangs(make_site, hanging):
    site = make_site(start=False, timeout="700ms")
    answer = site.issuer.handler
    site.issuer.handler = lambda received: HANG if received.path.startswith(hanging) else answer(received)
    site.start()
    eventually(lambda: site.call().status == 200, timeout=6, interval=0.1)


@pytest.mark.parametrize("fault", ["stop", "hang", "garbage", "500"])
def test_fault_of_the_issuer_later_leaves_known_keys_in_use(make_site, fault):
    site = make_site(issuer="keys_refresh 1s;", timeout="700ms")
    ok(site, site.token())
    if fault == "stop":
        site.issuer.stop()
    else:
        site.issuer.fault = {"all": fault}
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        begun = time.monotonic()
        ok(site, site.token())
        assert time.monotonic() - begun < 1, "no call waits for a refresh in the background"
        time.sleep(0.1)


def _jwks_file(folder, *keys):
    path = folder / "keys.json"
    new = folder / "keys.json.new"
    new.write_text(json.dumps({"keys": [k.jwk() for k in keys]}))
    new.rename(path)
    return path


def test_keys_from_a_file(make_site, tmp_path):
    key = jose.Key("ES256")
    path = _jwks_file(tmp_path, key)
    # One worker: each looks at the file for itself, at most once a second.
    site = make_site(start=False, keys=f"issuer https://closed.example; jwks_file {path};", client="", workers="1")
    site.start()
    claims = {"iss": "https://closed.example"}
    ok(site, site.token(key=key, **claims))
    assert site.call(token=site.token(key=jose.Key("ES256"), **claims)).status == 401
    assert site.issuer.count() == 0, "nothing is fetched in a closed network"
    newer = jose.Key("ES256")
    _jwks_file(tmp_path, newer)
    eventually(lambda: site.call(token=site.token(key=newer, **claims)).status == 200, timeout=8, interval=0.2)
    path.write_text("{broken")
    ok(site, site.token(key=newer, **claims))


def test_several_issuers_are_told_apart(make_site, serve):
    partner = serve(Issuer())
    site = make_site(start=False, trust="company partner")
    partner.audience = site.issuer.audience
    site.pieces["http"] = f"agent_issuer partner {{ issuer {partner.url}; algorithms ES256; claims user=sub agent=azp; }}"
    site.start()
    ok(site, site.token())
    # The same subject and client of another issuer are somebody else.
    other = site.call(token=partner.token(groups=["support"]))
    assert other.status == 403 or "error" in other.json()
    assert other.event()["user"]["id"] == "partner|mira" and other.event()["agent"]["id"] == "partner|docs-assistant"
    site.change_policy(lambda t: (t["agents"].update({"partner|docs-assistant": {"bundles": ["support"]}}),
                                  t["entitlements"].append({"id": "p", "to": "user:partner|mira",
                                                            "operation": "tickets/ticket.read"})))
    ok(site, partner.token())
    # A key of one, the name of the other.
    for signer, name in ((partner, site.issuer), (site.issuer, partner)):
        crossed = site.token(iss=name.url, key=signer.key())
        assert site.call(token=crossed).status == 401
        crossed = site.token(iss=name.url, key=signer.key(), header={"kid": name.key().kid})
        assert site.call(token=crossed).status == 401


def test_an_issuer_that_a_location_does_not_trust(make_site, serve):
    partner = serve(Issuer())
    site = make_site(start=False)
    partner.audience = site.issuer.audience
    site.pieces["http"] = f"agent_issuer partner {{ issuer {partner.url}; algorithms ES256; claims user=sub agent=azp; }}"
    site.start()
    ok(site, site.token())
    answer = site.call(token=partner.token())
    assert answer.status == 401 and answer.event()["reason"] == "token_issuer_unknown"


def test_a_private_authority(make_site, certs, serve):
    issuer = serve(Issuer(tls=certs))
    good = _with(make_site, issuer, issuer=f"ca {certs}/ca/cert.pem;")
    ok(good, good.token())
    bad = _with(make_site, issuer)
    unavailable(bad.call())


def test_an_authority_that_did_not_sign_the_issuer(make_site, certs, serve, tmp_path):
    from plugins.certs import make_authority
    other = make_authority(tmp_path / "other")
    site = _with(make_site, serve(Issuer(tls=certs)), issuer=f"ca {other}/ca/cert.pem;")
    unavailable(site.call())


class Proxy(Server):
    """An outbound proxy for plain http: absolute-form requests, answered by the origin."""

    def __init__(self):
        super().__init__(self._relay)

    def _relay(self, received):
        from urllib.parse import urlsplit
        from plugins import http
        url = urlsplit(received.target)
        if not url.hostname:
            return Answer(400)
        headers = [(k, v) for k, v in received.headers if k.lower() not in ("host", "proxy-connection", "connection",
                                                                           "content-length")]
        found = http.request(url.port, received.method, url.path, headers, received.body)
        return Answer(found.status, [("Content-Type", found.header("Content-Type"))], found.body)


def test_an_outbound_proxy(make_site, serve):
    proxy = serve(Proxy())
    site = make_site(issuer=f"proxy {proxy.origin};")
    ok(site, site.token())
    seen = {r.target for r in proxy.requests}
    assert site.issuer.origin + "/jwks" in seen


def test_fault_the_proxy_is_away_and_nothing_goes_around_it(make_site):
    site = make_site(issuer=f"proxy http://127.0.0.1:{free_port()};")
    unavailable(site.call())
    assert site.issuer.count() == 0


KEYS = {
    "an encryption key": lambda key: key.jwk(use="enc"),
    "a symmetric key": lambda key: {"kty": "oct", "k": jose.b64u(b"x" * 32), "kid": key.kid, "alg": "HS256"},
    "a key for other operations": lambda key: key.jwk(use=None, key_ops=["encrypt"]),
    "a curve that is not the algorithm's": lambda key: jose.Key("ES384", key.kid).jwk(alg="ES256"),
    "a key without a type": lambda key: key.jwk(kty=None),
    "a point off its curve": lambda key: key.jwk(x=jose.b64u(b"\x01" * 32)),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_that_do_not_sign(make_site, name):
    site = make_site(start=False)
    site.issuer.key()
    hidden = jose.Key("ES256", "hidden")
    site.issuer.extra_jwks = [KEYS[name](hidden)]
    site.start()
    ok(site, site.token())
    assert site.call(token=site.token(key=hidden)).status == 401


def test_a_short_rsa_key_signs_nothing(make_site):
    site = make_site(start=False)
    weak = jose.Key("RS256", "weak", bits=1024)
    site.issuer.key()
    site.issuer.extra_jwks = [weak.jwk()]
    site.start()
    ok(site, site.token(alg="RS256"))
    assert site.call(token=site.token(alg="RS256", key=weak)).status == 401


def test_a_key_without_an_alg_is_held_to_its_kind(make_site):
    site = make_site(start=False)
    site.issuer.jwk_changes = {"alg": None}
    site.start()
    ok(site, site.token(alg="ES256"))
    ok(site, site.token(alg="PS256"))


def test_tenants(make_site):
    site = make_site(start=False, issuer="tenants acme beta;")
    site.policy["tenants"]["acme"] = site.policy["tenants"].pop("default")
    site.write_policy(site.policy)
    site.start()
    ok(site, site.token(tenant="acme"))
    for tenant, reason in (("evil", "tenant_refused"), (None, "tenant_refused")):
        answer = site.call(token=site.token(tenant=tenant))
        assert answer.status == 403, f"{answer.status} {answer.text}"
        assert answer.event()["reason"] == reason
    # A tenant that the issuer may speak for, but whose policy names nobody.
    assert site.call(token=site.token(tenant="beta")).event()["decision"] == "deny"


def test_one_tenant_needs_no_claim(make_site):
    site = make_site(start=False, issuer="tenants acme;")
    site.policy["tenants"]["acme"] = site.policy["tenants"].pop("default")
    site.write_policy(site.policy)
    site.start()
    ok(site, site.token())
    ok(site, site.token(tenant="acme"))
    assert site.call(token=site.token(tenant="other")).status == 403
