"""A client that holds its tokens by DPoP (RFC 9449), and can do it wrongly in one place."""
import hashlib
import json
import secrets
import time

from . import jose


class Holder:
    def __init__(self, alg="ES256"):
        self.key = jose.Key(alg, fresh=True)
        self.jwk = self.key.jwk(kid=None, use=None, alg=None)
        needed = {name: self.jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in self.jwk}
        text = json.dumps(needed, separators=(",", ":"), sort_keys=True)
        self.thumbprint = jose.b64u(hashlib.sha256(text.encode()).digest())

    def token(self, site, **claims):
        return site.token(cnf={"jkt": self.thumbprint}, **claims)

    def proof(self, token, url, method="POST", header=None, signer=None, **claims):
        """A claim or member of the header that is None is left out."""
        head = {"typ": "dpop+jwt", "alg": self.key.alg, "jwk": self.jwk} | (header or {})
        payload = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(time.time()),
                   "ath": jose.b64u(hashlib.sha256(token.encode()).digest())} | claims
        keep = lambda value: {k: v for k, v in value.items() if v is not None}  # noqa: E731
        return jose.compact(keep(head), keep(payload), signer or self.key)

    def headers(self, token, proof, scheme="DPoP"):
        return [("Authorization", f"{scheme} {token}"), ("DPoP", proof)]

    def call(self, site, token=None, proof=None, url=None, headers=(), nonce=None, **how):
        """As a client does: a proof that the gateway wants a nonce in is made once more with it."""
        token = token or self.token(site)
        more = {"nonce": nonce} if nonce else {}
        sent = proof or self.proof(token, url or site.resource, **more)
        answer = site.call(token=None, headers=[*self.headers(token, sent), *headers], **how)
        if proof is None and answer.status == 401 and answer.header("DPoP-Nonce") and not nonce:
            return self.call(site, token, None, url, headers, answer.header("DPoP-Nonce"), **how)
        return answer
