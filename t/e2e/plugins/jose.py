"""Keys and compact signatures made by hand, so that wrong ones can be made as easily as right ones."""
import base64
import hashlib
import hmac
import json
import secrets

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": (ec.SECP256R1(), "P-256", 32), "ES384": (ec.SECP384R1(), "P-384", 48),
           "ES512": (ec.SECP521R1(), "P-521", 66)}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _int(value: int, size: int | None = None) -> str:
    return b64u(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


_rsa = {}


def _rsa_key(bits):
    # RSA keys are slow to make and nothing here depends on two of them being different, apart from rotation.
    if bits not in _rsa:
        _rsa[bits] = rsa.generate_private_key(65537, bits)
    return _rsa[bits]


class Key:
    def __init__(self, alg: str, kid: str | None = None, *, bits: int = 2048, fresh: bool = False):
        self.alg, self.kid = alg, kid or f"{alg.lower()}-{secrets.token_hex(4)}"
        if alg in _CURVES:
            self.private = ec.generate_private_key(_CURVES[alg][0])
        elif alg in ("Ed25519", "EdDSA"):
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(65537, bits) if fresh else _rsa_key(bits)

    def jwk(self, **changes) -> dict:
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            found = {"kty": "RSA", "n": _int(numbers.n), "e": _int(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            _, curve, size = _CURVES[self.alg]
            numbers = public.public_numbers()
            found = {"kty": "EC", "crv": curve, "x": _int(numbers.x, size), "y": _int(numbers.y, size)}
        else:
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            found = {"kty": "OKP", "crv": "Ed25519", "x": b64u(raw)}
        found |= {"kid": self.kid, "use": "sig", "alg": self.alg}
        found |= changes
        return {k: v for k, v in found.items() if v is not None}

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def sign(self, data: bytes, alg: str | None = None) -> bytes:
        alg = alg or self.alg
        if alg in ("Ed25519", "EdDSA"):
            return self.private.sign(data)
        digest = _HASHES[alg[2:]]
        if alg.startswith("ES"):
            r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
            size = _CURVES[self.alg][2]
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if alg.startswith("PS"):
            return self.private.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        return self.private.sign(data, padding.PKCS1v15(), digest)

    def verify(self, data: bytes, signature: bytes):
        """Only what the private_key_jwt check of the test issuer needs."""
        public = self.private.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"),
                                             int.from_bytes(signature[half:], "big"))
            return public.verify(der, data, ec.ECDSA(_HASHES[self.alg[2:]]))
        if isinstance(public, ed25519.Ed25519PublicKey):
            return public.verify(signature, data)
        digest = _HASHES[self.alg[2:]]
        pad = padding.PSS(padding.MGF1(digest), digest.digest_size) if self.alg.startswith("PS") else padding.PKCS1v15()
        return public.verify(signature, data, pad, digest)


def part(value) -> str:
    """A JSON value, or bytes taken as they are, as one part of a compact JWS."""
    return b64u(value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode())


def compact(header, payload, signer) -> str:
    """`signer` is a Key, a (Key, alg) pair, bytes (HMAC-SHA256 secret), or None for an empty signature."""
    data = f"{part(header)}.{part(payload)}"
    if signer is None:
        signature = b""
    elif isinstance(signer, bytes):
        signature = hmac.new(signer, data.encode(), hashlib.sha256).digest()
    elif isinstance(signer, tuple):
        signature = signer[0].sign(data.encode(), signer[1])
    else:
        signature = signer.sign(data.encode())
    return f"{data}.{b64u(signature)}"


def claims_of(token: str) -> dict:
    return json.loads(b64u_decode(token.split(".")[1]))


def header_of(token: str) -> dict:
    return json.loads(b64u_decode(token.split(".")[0]))
