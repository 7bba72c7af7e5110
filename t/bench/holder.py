"""A client that holds its token: by DPoP proofs, signed ahead of time, and by a certificate."""
import base64
import hashlib
import json
import os
import subprocess
import time

from issuer import b64


def _compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


class Holder:
    """`sign`: sign.c's binary."""

    def __init__(self, folder, sign):
        self.folder, self.sign, self._made = folder, sign, 0
        self.key = folder / "holder.pem"
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        point = _openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64(point[:32]), "y": b64(point[32:])}
        self.thumbprint = b64(hashlib.sha256(_compact(self.jwk)).digest())
        public = folder / "holder.public.pem"
        _openssl("req", "-x509", "-new", "-key", self.key, "-days", "2", "-subj", "/CN=holder", "-out", public)
        der = base64.b64decode("".join(public.read_text().splitlines()[1:-1]))
        self.certificate_thumbprint = b64(hashlib.sha256(der).digest())
        self.certificate = folder / "holder.certificate.pem"  # and its key, as nginx's own is written
        self.certificate.write_text(self.key.read_text() + public.read_text())

    def confirmation(self, how):
        return {"cnf": {"dpop": {"jkt": self.thumbprint}, "mtls": {"x5t#S256": self.certificate_thumbprint}}[how]}

    def proofs(self, url, token, count):
        """A file of `count` proofs of one length, a line each, every one of them to be used once."""
        self._made += 1
        head = b64(_compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}))
        claims, out = self.folder / "proofs.claims", self.folder / f"proofs.{self._made}"
        claims.write_bytes(_compact({"htm": "POST", "htu": url, "iat": int(time.time()), "jti": os.urandom(8).hex() + "NNNNNN",
                                     "ath": b64(hashlib.sha256(token.encode()).digest())}))
        with out.open("wb") as lines:
            subprocess.run([self.sign, self.key, str(count), head, claims], check=True, stdout=lines)
        return out
