"""The benchmark's authorization server: metadata, key set, RFC 8693's token endpoint, RFC 7662's for opaque tokens, and
tokens signed ahead of time."""
import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

USER, AGENT, GROUP = "mira", "docs-assistant", "support"
SCOPE, BACKEND_AUDIENCE = "tickets:read", "tickets-api"
LIFETIME = 7200  # seconds


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **options).stdout


class Issuer:
    """On loopback; RS256 for the tokens of the rows, ES256 for those that are signed by the ten thousands."""

    def __init__(self, folder):
        self.key, self.fast_key = folder / "issuer.pem", folder / "issuer-ec.pem"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.fast_key)
        modulus = _openssl("rsa", "-in", self.key, "-noout", "-modulus", text=True).strip().split("=")[1]
        # The point stands at the end of the DER form: x and y of 32 bytes each.
        point = _openssl("pkey", "-in", self.fast_key, "-pubout", "-outform", "DER")[-64:]
        self.jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench",
                               "n": b64(bytes.fromhex(modulus)), "e": "AQAB"},
                              {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "bench-ec",
                               "x": b64(point[:32]), "y": b64(point[32:])}]}
        self.opaque = {}  # token -> its claims
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _claims(self, audience, client, user, jti):
        now = int(time.time())
        return {"iss": self.url, "sub": user, "aud": audience, "azp": client, "client_id": client, "scope": SCOPE,
                "groups": [GROUP], "iat": now, "nbf": now, "exp": now + LIFETIME, "jti": jti}

    def token(self, audience, client=AGENT, **others):
        head = {"alg": "RS256", "typ": "at+jwt", "kid": "bench"}
        claims = self._claims(audience, client, USER, os.urandom(12).hex()) | others
        signed = ".".join(b64(_compact(part)) for part in (head, claims))
        return f"{signed}.{b64(_openssl('dgst', '-sha256', '-sign', self.key, input=signed.encode()))}"

    def opaque_token(self, audience, client=AGENT):
        token = os.urandom(32).hex()
        self.opaque[token] = self._claims(audience, client, USER, os.urandom(12).hex())
        return token

    def many_tokens(self, sign, audience, count, out, client=AGENT, user="uNNNNNN"):
        """`count` tokens of one length, a line each, into the file `out`; NNNNNN is another number in each. `sign`: sign.c's
        binary."""
        head = b64(_compact({"alg": "ES256", "typ": "at+jwt", "kid": "bench-ec"}))
        claims = out.with_suffix(".claims")
        claims.write_bytes(_compact(self._claims(audience, client, user, "tNNNNNN")))
        with out.open("wb") as lines:
            subprocess.run([sign, self.fast_key, str(count), head, claims], check=True, stdout=lines)

    def _metadata(self):
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "token_endpoint": f"{self.url}/token",
                "introspection_endpoint": f"{self.url}/introspect",
                "authorization_endpoint": f"{self.url}/authorize", "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                "grant_types_supported": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]}

    def _handler(issuer):  # noqa: N805  the class below is the handler, this is its issuer
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path.startswith("/.well-known/"):
                    return self.answer(200, issuer._metadata())
                return self.answer(200, issuer.jwks) if self.path == "/jwks" else self.answer(404, {})

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                if self.path == "/introspect":
                    claims = issuer.opaque.get(form.get("token"))
                    return self.answer(200, {"active": claims is not None} | (claims or {}))
                if self.path != "/token" or not form.get("subject_token"):
                    return self.answer(400, {"error": "invalid_request"})
                kind = "urn:ietf:params:oauth:token-type:access_token"
                return self.answer(200, {"access_token": issuer.token(BACKEND_AUDIENCE, "gateway"),
                                         "expires_in": LIFETIME, "issued_token_type": kind, "token_type": "Bearer",
                                         "scope": SCOPE})

            def log_message(self, *_):
                pass

        return Handler
