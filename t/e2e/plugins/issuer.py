"""A small authorization server: metadata, keys, tokens made by hand, RFC 8693 exchange, RFC 7662 introspection, and
faults."""
import base64
import json
import secrets
import time
from urllib.parse import parse_qs, unquote_plus, urlencode
from urllib.request import urlopen

from . import jose
from .server import HANG, Answer, Server

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


class Issuer(Server):
    """`fault[place]` with place metadata, jwks, token, introspect or all: hang, garbage, 500, empty, slow, oversized, refuse."""

    def __init__(self, audience=None, tls=None, path="", secret="gateway-secret"):
        super().__init__(self._answer, tls=tls)
        self.path = path
        self.audience = audience
        self.secret = secret
        self.client_keys: dict[str, jose.Key] = {}
        # An authorization server that is up has a key.
        self.keys: dict[str, jose.Key] = {"ES256": jose.Key("ES256")}
        self.extra_jwks: list[dict] = []
        self.jwk_changes: dict = {}
        self.fault: dict[str, str] = {}
        self.metadata_changes: dict = {}
        self.serves = set(METADATA)
        self.exchanges: list[dict] = []
        self.refused: list[str] = []
        self.exchange_claims: dict = {}
        self.exchange_answer: dict = {}
        self.exchange_delay = 0.0
        self.token_header: dict = {}
        self._assertions: set = set()
        self.known: dict[str, dict] = {}  # opaque token -> its claims
        self.revoked: set[str] = set()
        self.introspections: list[dict] = []
        self.introspection_changes: dict = {}
        self.introspection_type: str | None = None
        self.introspection_header: dict = {}
        self.introspection_envelope: dict = {}
        self.judge = lambda form, claims: True  # a policy behind the endpoint

    @property
    def url(self):
        return self.origin + self.path

    @property
    def token_url(self):
        return self.url + "/token"

    @property
    def jwks_path(self):
        return self.path + "/jwks"

    def key(self, alg="ES256"):
        if alg not in self.keys:
            self.keys[alg] = jose.Key(alg)
        return self.keys[alg]

    def all_keys(self):
        for alg in jose.ALGORITHMS:
            self.key(alg)
        return self

    def rotate(self, alg="ES256", keep=False):
        """A new key under a new kid; the old one leaves the set unless `keep`."""
        old = self.keys.pop(alg, None)
        if keep and old is not None:
            self.keys[f"{alg}/{old.kid}"] = old
        return self.key(alg)

    def jwks(self):
        return {"keys": self.extra_jwks + [k.jwk(**self.jwk_changes) for k in self.keys.values()]}

    def claims(self, user="mira", agent="docs-assistant", scope="tickets:read", aud=None, lifetime=300, **claims):
        now = int(time.time())
        found = {"iss": self.url, "sub": user, "azp": agent, "aud": aud if aud is not None else self.audience,
                 "scope": scope, "iat": now, "exp": now + lifetime, "jti": secrets.token_hex(8)}
        found |= claims
        return {k: v for k, v in found.items() if v is not None}

    def token(self, alg="ES256", header=None, key=None, typ="at+jwt", **claims):
        key = key or self.key(alg)
        head = {"alg": alg, "kid": key.kid, "typ": typ} | (header or {})
        return jose.compact({k: v for k, v in head.items() if v is not None}, self.claims(**claims), (key, alg))

    def opaque(self, prefix="", **claims):
        """A token that only this server can read."""
        token = prefix + secrets.token_urlsafe(24)
        self.known[token] = self.claims(**claims)
        return token

    def reset_exchange(self):
        self.exchanges, self.refused = [], []
        self.exchange_claims, self.exchange_answer, self.exchange_delay = {}, {}, 0.0

    # --- the server's side -------------------------------------------------------------------------------------

    def _answer(self, received):
        place = self._place(received.path)
        fault = self.fault.get(place) or self.fault.get("all")
        if fault:
            answer = self._faulty(fault, place, received)
            if answer is not None:
                return answer
        if place == "metadata":
            return self._json(self.metadata())
        if place == "jwks":
            return self._json(self.jwks())
        if place == "token":
            return self._token(received)
        if place == "introspect":
            return self._introspect(received)
        return Answer(404, [("Content-Type", "text/plain")], b"no such page")

    def _place(self, path):
        if path == self.jwks_path:
            return "jwks"
        if path == self.path + "/token":
            return "token"
        if path == self.path + "/introspect":
            return "introspect"
        for form in self.serves:
            if path in (form + self.path, self.path + form):
                return "metadata"
        return None

    def metadata(self):
        return {"issuer": self.url, "jwks_uri": self.origin + self.jwks_path, "token_endpoint": self.token_url,
                "authorization_endpoint": self.url + "/authorize",
                "introspection_endpoint": self.url + "/introspect", "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", EXCHANGE],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post",
                                                          "private_key_jwt"],
                } | self.metadata_changes

    @staticmethod
    def _json(value, status=200):
        return Answer(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                      json.dumps(value).encode())

    def _faulty(self, fault, place, received):
        if fault == "hang":
            return HANG
        if fault == "garbage":
            return Answer(200, [("Content-Type", "application/json")], b"{\"keys\": [\x00\xff not json")
        if fault == "500":
            return self._json({"error": "server_error"}, 500)
        if fault == "empty":
            return Answer(200, [("Content-Type", "application/json")], b"")
        if fault == "cut":
            return Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{")
        if fault == "oversized":
            filler = "x" * (8 << 20)
            return self._json({"keys": [], "filler": filler} if place == "jwks" else
                              {"active": True, "filler": filler} if place == "introspect" else
                              self.metadata() | {"f": filler})
        if fault == "redirect":
            return Answer(302, [("Location", self.origin + received.target + "?again")], b"")
        if fault == "slow":
            time.sleep(0.5)
            return None
        if fault == "refuse":
            return self._json({"error": "invalid_request", "error_description": "Invalid token"}, 400)
        raise AssertionError(f"unknown fault {fault}")

    def _client(self, received, form):
        """The authenticated client's id, or None with the reason in `refused`."""
        header = received.header("Authorization")
        if header and header.startswith("Basic "):
            name, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)  # RFC 6749 2.3.1: form-encoded
        elif form.get("client_assertion_type") == ASSERTION:
            return self._assertion(form.get("client_assertion", ""))
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if secret and secret == self.secret:
            return name
        self.refused.append("wrong secret")
        return None

    def _assertion(self, token):
        try:
            head, claims = jose.header_of(token), jose.claims_of(token)
            key = self.client_keys[claims["sub"]]
            data, _, signature = token.rpartition(".")
            assert head["alg"] in (key.alg, "EdDSA"), f"alg {head['alg']}"
            assert head.get("kid") in (None, key.kid), f"kid {head.get('kid')}"
            assert head["alg"] != "none"
            key.verify(data.encode(), jose.b64u_decode(signature))
            assert claims["iss"] == claims["sub"], "iss is not sub"
            audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
            assert set(audience) & {self.url, self.token_url}, f"aud {audience}"
            now = time.time()
            assert now - 5 < claims["exp"] < now + 600, "exp out of range"
            assert claims["jti"] not in self._assertions, "assertion used twice"
            self._assertions.add(claims["jti"])
            return claims["sub"]
        except Exception as wrong:
            self.refused.append(f"assertion: {wrong!r}")
            return None

    @staticmethod
    def _delegation(form, subject):
        """RFC 8693 section 4.1: with an actor's token the actor is named, and whoever acted before inside it, beginning
        with the client that had the user's own token."""
        if "actor_token" not in form:
            return {}
        before = subject.get("act") or {"sub": subject["azp"]}
        return {"act": {"sub": jose.claims_of(form["actor_token"])["sub"], "act": before}, "groups": subject.get("groups")}

    def act(self, subject_token, agent, scope="tickets:read"):
        """What the token endpoint gives an agent that acts by another token."""
        form = {"grant_type": EXCHANGE, "client_id": agent, "client_secret": self.secret, "scope": scope,
                "audience": self.audience[0], "subject_token": subject_token, "subject_token_type": ACCESS_TOKEN,
                "actor_token": self.token(user=agent, agent=agent), "actor_token_type": ACCESS_TOKEN}
        with urlopen(self.token_url, urlencode(form).encode(), timeout=10) as answer:
            return json.load(answer)["access_token"]

    def _introspect(self, received):
        form = {k: v[-1] for k, v in parse_qs(received.body.decode(), keep_blank_values=True).items()}
        client = self._client(received, form)
        if client is None:
            return self._json({"error": "invalid_client"}, 401)
        self.introspections.append(form | {"client": client, "accept": received.header("Accept")})
        token = form.get("token", "")
        claims = self.known.get(token)
        if claims is None and token.count(".") == 2:
            claims = jose.claims_of(token)
        good = claims is not None and token not in self.revoked and claims["exp"] > time.time()
        answer = {"active": False}
        if good and self.judge(form, claims):
            answer = {"active": True, "client_id": claims.get("azp")} | claims | self.introspection_changes
        if "token-introspection+jwt" not in (received.header("Accept") or ""):
            return self._typed(json.dumps(answer).encode(), self.introspection_type or "application/json")
        key = self.key("ES256")
        envelope = {"iss": self.url, "aud": client, "iat": int(time.time()),
                    "token_introspection": answer} | self.introspection_envelope
        header = {"alg": "ES256", "kid": key.kid, "typ": "token-introspection+jwt"} | self.introspection_header
        return self._typed(jose.compact(header, envelope, key).encode(),
                           self.introspection_type or "application/token-introspection+jwt")

    @staticmethod
    def _typed(body, kind):
        return Answer(200, [("Content-Type", kind), ("Cache-Control", "no-store")], body)

    def _token(self, received):
        form = {k: v[-1] for k, v in parse_qs(received.body.decode(), keep_blank_values=True).items()}
        client = self._client(received, form)
        if client is None:
            return self._json({"error": "invalid_client"}, 401)
        self.exchanges.append(form | {"client": client})
        if self.exchange_delay:
            time.sleep(self.exchange_delay)
        if form.get("grant_type") != EXCHANGE:
            return self._json({"error": "unsupported_grant_type"}, 400)
        try:
            subject = jose.claims_of(form["subject_token"])
            assert form["subject_token_type"] == ACCESS_TOKEN
        except Exception:
            return self._json({"error": "invalid_request"}, 400)
        if subject["exp"] < time.time():
            return self._json({"error": "invalid_request", "error_description": "Invalid token"}, 400)
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject["sub"], "azp": client, "client_id": client,
                  "aud": form.get("audience"), "scope": form.get("scope", ""), "iat": now, "exp": now + 300,
                  "jti": secrets.token_hex(8)} | self._delegation(form, subject) | self.exchange_claims
        claims = {k: v for k, v in claims.items() if v is not None}
        key = self.key("ES256")
        token = jose.compact({"alg": "ES256", "kid": key.kid, "typ": "at+jwt"} | self.token_header, claims, key)
        answer = {"access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
                  "expires_in": 300, "scope": claims.get("scope", "")} | self.exchange_answer
        return self._json({k: v for k, v in answer.items() if v is not None})
