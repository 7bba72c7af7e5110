"""An RSA key and the RS256 tokens made with it: what an identity provider gives to agents."""
import base64
import json
import os
import subprocess
import time

ISSUER = "https://issuer.bench.example"
AUDIENCE = "https://gateway.bench.example/mcp"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True,
                          timeout=60).stdout


class Signer:
    def __init__(self, folder):
        self.private, self.public = folder / "issuer.pem", folder / "issuer.pub.pem"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.private)
        openssl("rsa", "-in", self.private, "-pubout", "-out", self.public)
        self.spki = "".join(self.public.read_text().split("\n")[1:-2])
        modulus = openssl("rsa", "-in", self.private, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwks = json.dumps({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench",
                                          "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}]})

    def token(self, **more):
        """A token as long as those of the project's own rows; `more` replaces or adds claims."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": "mira", "aud": AUDIENCE, "azp": "docs-assistant",
                  "client_id": "docs-assistant", "scope": "tickets:read", "groups": ["support"], "iat": now,
                  "nbf": now, "exp": now + 7200, "jti": os.urandom(12).hex(), **more}
        head = {"alg": "RS256", "typ": "at+jwt", "kid": "bench"}
        signed = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        return f"{signed}.{b64(openssl('dgst', '-sha256', '-sign', self.private, given=signed.encode()))}"
