"""What an attacker puts into a token: a 401 with one reason each, and nothing of it comes back or is written down."""
import json

import pytest

from plugins import jose
from plugins.site import allowed

SITE = {"skew": "0s", "floor": "1s", "issuer": "actors optional;"}


@pytest.fixture(autouse=True, scope="module")
def every_key(site_of_module):
    site_of_module.issuer.all_keys()


def claims(site, **changes):
    return site.issuer.claims(**({"groups": ["support"]} | changes))


def forged(site, header=None, signer=None, alg="ES256", payload=None, **changes):
    """Signed by the issuer's own key, unless another signer is given; `header` replaces members."""
    key = site.issuer.key(alg)
    head = {"alg": alg, "kid": key.kid, "typ": "at+jwt"} | (header or {})
    head = {k: v for k, v in head.items() if v is not None}
    return jose.compact(head, payload if payload is not None else claims(site, **changes), signer or (key, alg))


def unsigned(site, alg, **header):
    return jose.compact({"alg": alg, "typ": "at+jwt"} | header, claims(site), None)


def by_stranger(site, **header):
    """A token that whoever believes what it says of its own key would take."""
    key = jose.Key("ES256", kid="stranger")
    own = {"jwk": {"jwk": key.jwk()}, "jku": {"jku": site.issuer.origin + "/evil"}, "x5u": {"x5u": site.issuer.origin + "/evil"},
           "x5c": {"x5c": ["MIIB"]}}
    more = {}
    for name, kid in header.items():
        more |= own[name] | ({"kid": kid} if kid else {"kid": None})
    return forged(site, {"kid": key.kid} | more, (key, "ES256"))


def hmac(site, secret, kid=True):
    key = site.issuer.key("RS256")
    return jose.compact({"alg": "HS256", "typ": "at+jwt"} | ({"kid": key.kid} if kid else {}), claims(site), secret(key))


def spelled(site, change):
    """Claims whose text `change` makes odd; the issuer signed it so."""
    return forged(site, payload=change(json.dumps(claims(site))).encode())


def nested(depth):
    act = {"sub": "a"}
    for _ in range(depth - 1):
        act = {"sub": "a", "act": act}
    return act


UNICODE = "\u00fc\u4e16\U0001f510\u202e" * 1400  # 16 KB in UTF-8

# What is wrong -> reason, token.
ALGORITHMS = {
    "none": ("token_algorithm_refused", lambda s: unsigned(s, "none")),
    "None": ("token_algorithm_refused", lambda s: unsigned(s, "None")),
    "none with a good kid": ("token_algorithm_refused", lambda s: unsigned(s, "none", kid=s.issuer.key().kid)),
    "none over a good signature": ("token_algorithm_refused", lambda s: forged(s, {"alg": "none"})),
    "no alg": ("token_algorithm_refused", lambda s: forged(s, {"alg": None})),
    "an alg that is a list": ("token_malformed", lambda s: forged(s, {"alg": ["ES256"]})),
    "a signature that was cut off": ("token_signature_invalid", lambda s: s.token().rpartition(".")[0] + "."),
    "HMAC with the public key as PEM": ("token_algorithm_refused", lambda s: hmac(s, lambda k: k.public_pem())),
    "HMAC with the public key as JWK": ("token_algorithm_refused", lambda s: hmac(s, lambda k: json.dumps(k.jwk()).encode())),
    "HMAC with the modulus": ("token_algorithm_refused", lambda s: hmac(s, lambda k: jose.b64u_decode(k.jwk()["n"]))),
    "HMAC with nothing": ("token_algorithm_refused", lambda s: hmac(s, lambda k: b"", kid=False)),
    "ES256 by a key of RS256": ("token_algorithm_refused", lambda s: forged(
        s, {"kid": s.issuer.key("RS256").kid}, (s.issuer.key("ES256"), "ES256"))),
}
KEYS = {
    "a kid that is a path": ("token_key_unknown", lambda s: forged(s, {"kid": "../../../../dev/null"})),
    "a kid that is a file": ("token_key_unknown", lambda s: forged(s, {"kid": "/etc/passwd"})),
    "a kid that is SQL": ("token_key_unknown", lambda s: forged(s, {"kid": "x' UNION SELECT 'key';--"})),
    "a kid with a NUL": ("token_malformed", lambda s: forged(s, {"kid": s.issuer.key().kid + "\0"})),
    "a kid that is a command": ("token_key_unknown", lambda s: forged(s, {"kid": "$(id)|`id`\r\nSet-Cookie: a=b"})),
    "a kid of 8 KB": ("token_key_unknown", lambda s: forged(s, {"kid": "k" * 8192})),
    "a kid that is a number": ("token_malformed", lambda s: forged(s, {"kid": 7})),
    "a kid that is a list": ("token_malformed", lambda s: forged(s, {"kid": [s.issuer.key().kid]})),
    "a jwk of its own": ("token_key_unknown", lambda s: by_stranger(s, jwk="stranger")),
    "a jwk under a known kid": ("token_signature_invalid", lambda s: by_stranger(s, jwk=s.issuer.key().kid)),
    "a jku of its own": ("token_key_unknown", lambda s: by_stranger(s, jku="stranger")),
    "a jku under a known kid": ("token_signature_invalid", lambda s: by_stranger(s, jku=s.issuer.key().kid)),
    "an x5u of its own": ("token_key_unknown", lambda s: by_stranger(s, x5u="stranger")),
    "an x5c of its own": ("token_key_unknown", lambda s: by_stranger(s, x5c="stranger")),
}
HEADERS = {
    "crit of something unknown": ("token_malformed", lambda s: forged(s, {"crit": ["exp"], "exp": 1})),
    "crit that is empty": ("token_malformed", lambda s: forged(s, {"crit": []})),
    "crit that is no list": ("token_malformed", lambda s: forged(s, {"crit": "b64"})),
    "b64": ("token_malformed", lambda s: forged(s, {"crit": ["b64"], "b64": False})),
    "typ that is a list": ("token_malformed", lambda s: forged(s, {"typ": ["at+jwt"]})),
    "an ID token's typ": ("token_type_refused", lambda s: forged(s, {"typ": "JWT"})),
    "a header that is a list": ("token_malformed", lambda s: jose.compact(["ES256"], claims(s), s.issuer.key())),
    "a header with alg twice": ("token_malformed", lambda s: jose.compact(
        b'{"alg":"none","alg":"ES256","typ":"at+jwt"}', claims(s), s.issuer.key())),
    "an encrypted token": ("token_malformed", lambda s: s.token() + ".AA.AA"),
}
TEXTS = {
    "a claim twice": ("token_malformed", lambda s: spelled(s, lambda t: t[:-1] + ',"sub":"ada"}')),
    "a claim twice, once escaped": ("token_malformed", lambda s: spelled(s, lambda t: t[:-1] + ',"s\\u0075b":"ada"}')),
    "a NUL": ("token_malformed", lambda s: spelled(s, lambda t: t.replace('"mira"', '"mira\\u0000"'))),
    "half a surrogate": ("token_malformed", lambda s: spelled(s, lambda t: t.replace('"mira"', '"mira\\ud800"'))),
    "a payload that is a list": ("token_malformed", lambda s: forged(s, payload=[1])),
    "a payload that is text": ("token_malformed", lambda s: forged(s, payload=b"mira")),
    "UTF-8 that is none": ("token_malformed", lambda s: forged(s, payload=b'{"sub":"\xff"}')),
    "something after it": ("token_malformed", lambda s: spelled(s, lambda t: t + "{}")),
    "a thousand levels": ("token_malformed", lambda s: spelled(
        s, lambda t: t[:-1] + ',"x":' + "[" * 3000 + "]" * 3000 + "}")),
    "16 KB of Unicode as a token": ("token_malformed", lambda s: UNICODE.encode().decode("latin-1")),
    "16 KB of Unicode as a subject": ("token_malformed", lambda s: spelled(
        s, lambda t: t.replace('"mira"', json.dumps(UNICODE, ensure_ascii=False)))),
}


def number(name, text):
    return lambda s: spelled(s, lambda t: t[:-1].replace(f'"{name}"', f'"old_{name}"') + f',"{name}":{text}}}')


NUMBERS = {
    "exp beyond 64 bits": ("token_malformed", number("exp", "1" + "0" * 30)),
    "exp beyond a double": ("token_malformed", number("exp", "1e400")),
    "exp of 1e300": ("token_claim_invalid", number("exp", "1e300")),
    "exp beyond the calendar": ("token_claim_invalid", number("exp", "253402300800")),
    "exp at the end of 64 bits": ("token_claim_invalid", number("exp", "9223372036854775807")),
    "exp below zero": ("token_claim_invalid", number("exp", "-1")),
    "exp with a fraction": ("token_claim_invalid", number("exp", "4102444800.5")),
    "exp with a fraction of nothing": ("token_claim_invalid", number("exp", "4102444800.0")),
    "exp with an exponent": ("token_claim_invalid", number("exp", "4e9")),
    "nbf with a fraction": ("token_claim_invalid", number("nbf", "1.5")),
    "iat with a fraction": ("token_claim_invalid", number("iat", "1.5")),
    "exp as text": ("token_claim_invalid", number("exp", '"4102444800"')),
    "exp as a list": ("token_claim_invalid", number("exp", "[4102444800]")),
    "exp as true": ("token_claim_invalid", number("exp", "true")),
    "exp as null": ("token_claim_invalid", number("exp", "null")),
    "exp as NaN": ("token_malformed", number("exp", "NaN")),
}
TYPES = {f"{name} as {kind}": (reason, (lambda n, v: lambda s: forged(s, **{n: v}))(name, value))
         for kind, value in (("a list", ["x"]), ("an object", {"x": "y"}), ("a number", 7), ("true", True))
         for name, reason in (("iss", "token_issuer_unknown"), ("sub", "token_claim_invalid"), ("azp", "token_claim_invalid"),
                              ("jti", "token_claim_invalid"), ("sid", "token_claim_invalid"),
                              ("agent_provider", "token_claim_invalid"), ("agent_model", "token_claim_invalid"),
                              ("preferred_username", "token_claim_invalid"))}
TYPES |= {
    "scope as an object": ("token_claim_invalid", lambda s: forged(s, scope={"tickets:read": True})),
    "scopes that are numbers": ("token_claim_invalid", lambda s: forged(s, scope=[7])),
    "groups as an object": ("token_claim_invalid", lambda s: forged(s, groups={"support": True})),
    "groups of lists": ("token_claim_invalid", lambda s: forged(s, groups=[["support"]])),
    "aud as an object": ("token_claim_invalid", lambda s: forged(s, aud={"x": s.resource})),
    "aud of lists": ("token_claim_invalid", lambda s: forged(s, aud=[[s.resource]])),
    "an empty sub": ("token_claim_invalid", lambda s: forged(s, sub="")),
    "an empty azp": ("token_claim_invalid", lambda s: forged(s, azp="")),
    "act 5 deep": ("token_actors_too_many", lambda s: forged(s, act=nested(5))),
    "act 100 deep": ("token_actors_too_many", lambda s: forged(s, act=nested(100))),
    "act as a list": ("token_actor_invalid", lambda s: forged(s, act=[{"sub": "docs-assistant"}])),
    "act as a string": ("token_actor_invalid", lambda s: forged(s, act="docs-assistant")),
    "act with a list inside": ("token_actor_invalid", lambda s: forged(s, act={"sub": "docs-assistant", "act": []})),
    "act by a number": ("token_actor_invalid", lambda s: forged(s, act={"sub": 7})),
    "act with an issuer that is a list": ("token_actor_invalid", lambda s: forged(s, act={"sub": "docs-assistant", "iss": ["x"]})),
    "may_act as a list": ("token_actor_invalid", lambda s: forged(s, may_act=["docs-assistant"])),
}
BAD = ALGORITHMS | KEYS | HEADERS | TEXTS | NUMBERS | TYPES


@pytest.mark.parametrize("name", BAD)
def test_each_is_refused_for_its_reason_and_never_echoed(site, name):
    reason, make = BAD[name]
    token = make(site)
    before = site.backend.count()
    answer = site.call(token=token)
    assert answer.status == 401, f"{answer.status} {answer.text}"
    assert answer.challenge["error"] == "invalid_token"
    event = answer.event()
    assert event["reason"] == reason and event["checks"]["token"] == "fail", event
    assert site.backend.count() == before
    # Neither the token nor what it said of itself comes back, or is written down.
    said = "\n".join([answer.text, str(answer.headers), json.dumps(event)])
    logged = "\n".join(line for line in site.nginx.error_log.splitlines() if "[debug]" not in line)
    for part in token.split("."):
        if len(part) > 24:
            assert part not in said and part not in logged
    for word in ("UNION SELECT", "etc/passwd", "dev/null", "Set-Cookie: a=b", "$(id)"):
        assert word not in said and word not in logged


def test_what_differs_only_in_that_point_passes(site):
    for good in (forged(site), forged(site, act={"sub": "docs-assistant"}), forged(site, {"typ": "application/at+jwt"}),
                 forged(site, {"jku": site.issuer.origin + "/evil", "x5u": site.issuer.origin + "/evil"}),
                 spelled(site, lambda t: " " + t + "\n"), number("nbf", "1")(site), number("exp", "4102444800")(site),
                 forged(site, may_act={"sub": "docs-assistant"}), forged(site, scope=["tickets:read"])):
        allowed(site.call(token=good))
    assert site.issuer.count("/evil") == 0, "no key is fetched from where a token says"
