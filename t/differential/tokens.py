"""Tokens, well-formed ones of every algorithm and such as somebody made of them; and how joserfc reads them."""
import base64
import hashlib
import hmac
import json
import re
import warnings

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import errors, jwk, jws

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"ES256": (ec.SECP256R1, 32), "ES384": (ec.SECP384R1, 48), "ES512": (ec.SECP521R1, 66)}
PEM = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")

# Where the gateway refuses what another library takes, and why. Everything else that differs is a failure.
STRICTER = {
    "non-canonical base64url": "one text for one token: what is remembered and revoked is the text",
    "padding": "RFC 7515 section 2: base64url without padding",
    "white space": "RFC 7515 section 7.1: no white space",
    "trailing bytes": "RFC 7515 section 7.1: nothing behind the signature",
    "duplicated member": "RFC 7515 section 4: member names are unique; which one counts is a guess",
    "b64": "RFC 7797 changes what is signed: refused whatever it says",
    "crit": "RFC 7515 section 4.1.11: nothing that must be understood is",
    "kid or typ is no string": "RFC 7515 section 4.1: both are strings",
    "payload is not UTF-8": "a claim set is JSON text (RFC 7519 section 3)",
    "payload holds NUL": "what reads C strings would read another value",
    "no kid": "with several keys that fit, the one to take is a guess",
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Keys:
    def __init__(self):
        self.private = {"RSA": rsa.generate_private_key(65537, 2048), "RSA-RS256": rsa.generate_private_key(65537, 2048),
                        "Ed25519": ed25519.Ed25519PrivateKey.generate()}
        for name, (curve, _) in CURVES.items():
            self.private[name] = ec.generate_private_key(curve())
        public = []
        for name, key in self.private.items():
            item = jwk.import_key(key.public_key().public_bytes(*PEM), {"RSA-RS256": "RSA", "RSA": "RSA", "Ed25519": "OKP"}.get(name, "EC"))
            entry = item.as_dict(private=False) | {"kid": name, "use": "sig"}
            if name == "RSA-RS256":
                entry["alg"] = "RS256"
            public.append(entry)
        self.set = {"keys": public}

    def signature(self, name, algorithm, data):
        key = self.private[name]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        digest = HASHES[algorithm[2:]]() if algorithm[2:] in HASHES else hashes.SHA256()
        if isinstance(key, rsa.RSAPrivateKey):
            pad = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm.startswith("PS") else padding.PKCS1v15()
            return key.sign(data, pad, digest)
        size = CURVES[name][1]
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def key_of(algorithm):
    return algorithm if algorithm in CURVES else "Ed25519" if algorithm in ("Ed25519", "EdDSA") else "RSA"


def claims(dice):
    payload = {"iss": "https://as.example", "sub": dice.choice(("mira", "ä", "x" * 100)), "exp": 1_800_000_000, "n": dice.random()}
    return json.dumps(payload, ensure_ascii=dice.random() < 0.5).encode()


def token(keys, header, payload, name=None, algorithm=None):
    """Signed as the header says, or with another key or algorithm."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = b64(text) + b"." + b64(payload)
    algorithm = algorithm or header["alg"]
    return signed + b"." + b64(keys.signature(name or key_of(algorithm), algorithm, signed))


def well_formed(dice, keys):
    algorithm = dice.choice(ALGORITHMS)
    header = {"alg": algorithm, "kid": key_of(algorithm)}
    if dice.random() < 0.6:
        header["typ"] = dice.choice(("JWT", "at+jwt", "application/at+jwt", "AT+JWT"))
    if dice.random() < 0.2:
        header |= dice.choice(({"jku": "https://evil.example/k"}, {"x5u": "https://evil.example/c"}, {"cty": "x"}, {"foo": [1, {"a": None}]}))
    members = list(header.items())
    dice.shuffle(members)
    return dict(members), claims(dice)


def flipped(dice, part):
    raw = bytearray(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return b64(bytes(raw))


def meant(text):
    """The bytes that the parts stand for, to a reader that doesn't care for spare bits; None if there are none."""
    parts = text.split(b".")
    if re.fullmatch(rb"[A-Za-z0-9_.-]*", text) is None or any(len(part) % 4 == 1 for part in parts):
        return None
    return [base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in parts]


def case(dice, keys):
    """(what was done to it, the token)"""
    header, payload = well_formed(dice, keys)
    whole = token(keys, header, payload)
    if dice.random() < 0.35:
        return "well-formed", whole
    first, second, third = whole.split(b".")
    algorithm, name = header["alg"], key_of(header["alg"])
    what = dice.choice(("algorithm swapped", "none", "HMAC with the public key", "a bit of the signature", "a bit of the payload",
                        "a bit of the header", "trailing bytes", "padding", "crit", "b64", "duplicated member",
                        "non-canonical base64url", "white space", "standard alphabet", "two parts", "four parts",
                        "kid or typ is no string", "payload is not UTF-8", "payload holds NUL", "no kid", "kid of another key",
                        "ECDSA signature is too long", "ECDSA signature in DER", "signature of zeros", "signature cut",
                        "key is for another algorithm", "key in the header", "no algorithm", "header is no object", "a bit anywhere",
                        "no signature", "a name in the header escaped", "PS with another salt"))
    if what == "algorithm swapped":
        other = dice.choice([a for a in ALGORITHMS if a != algorithm and {a, algorithm} != {"Ed25519", "EdDSA"}])
        return what, token(keys, header | {"alg": other}, payload, name, algorithm)
    if what == "none":
        return what, b64(json.dumps(header | {"alg": dice.choice(("none", "None", "NONE", ""))}).encode()) + b"." + second + b"." + dice.choice((b"", third))
    if what == "HMAC with the public key":
        signed = b64(json.dumps(header | {"alg": "HS256"}).encode()) + b"." + second
        secret = keys.private[name].public_key().public_bytes(*PEM)
        return what, signed + b"." + b64(hmac.digest(secret, signed, hashlib.sha256))
    if what == "a bit of the signature":
        return what, b".".join((first, second, flipped(dice, third)))
    if what == "a bit of the payload":
        return what, b".".join((first, flipped(dice, second), third))
    if what == "a bit of the header":
        return what, b".".join((flipped(dice, first), second, third))
    if what == "trailing bytes":
        return what, whole + dice.choice((b"\n", b" ", b"\x00", b"A", b"AA", b"AAAA", b"=", b"=="))
    if what == "padding":
        parts = [part + b"=" * (-len(part) % 4) for part in (first, second, third)]
        if b".".join(parts) == whole:
            parts[2] += b"===="
        return what, b".".join(parts)
    if what == "crit":
        return what, token(keys, header | {"crit": dice.choice((["b64"], ["exp"], [], "exp", ["foo"])), "foo": 1}, payload)
    if what == "b64":
        return what, token(keys, header | {"b64": dice.choice((True, False, "x"))}, payload)
    if what == "duplicated member":
        text = json.dumps(header)
        twice = dice.choice((f'"alg":"{algorithm}",', '"alg":"none",', '"kid":"other",', '"x":1,"x":2,'))
        return what, token(keys, dice.choice(("{" + twice + text[1:], text[:-1] + "," + twice[:-1] + "}")).encode(), payload, name, algorithm)
    if what == "non-canonical base64url":
        # The last character's spare bits say nothing; another text of the same bytes.
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if len(third) % 4 == 0:
            return "well-formed", whole
        return what, whole[:-1] + bytes([alphabet[alphabet.index(whole[-1:]) | 1]]) if alphabet.index(whole[-1:]) % 2 == 0 else whole
    if what == "white space":
        parts = [first, second, third]
        at = dice.randrange(3)
        cut = dice.randrange(len(parts[at]) + 1)
        parts[at] = parts[at][:cut] + dice.choice((b" ", b"\n", b"\r\n", b"\t")) + parts[at][cut:]
        return what, b".".join(parts)
    if what == "standard alphabet":
        other = whole.replace(b"-", b"+").replace(b"_", b"/")
        return (what, other) if other != whole else ("well-formed", whole)
    if what == "two parts":
        return what, first + b"." + second
    if what == "four parts":
        return what, dice.choice((whole + b".", b"." + whole, whole + b"." + third))
    if what == "kid or typ is no string":
        return what, token(keys, header | dice.choice(({"typ": 1}, {"typ": None}, {"typ": ["JWT"]}, {"kid": None}, {"kid": 7})), payload)
    if what == "payload is not UTF-8":
        return what, token(keys, header, payload + b"\xff\xfe")
    if what == "payload holds NUL":
        return what, token(keys, header, payload + b"\x00")
    if what == "no kid":
        return what, token(keys, {key: item for key, item in header.items() if key != "kid"}, payload)
    if what == "kid of another key":
        other = dice.choice([n for n in keys.private if n != name])
        return what, token(keys, header | {"kid": other}, payload)
    if what == "ECDSA signature is too long" and name in CURVES:
        return what, b".".join((first, second, b64(base64.urlsafe_b64decode(third + b"=" * (-len(third) % 4)) + dice.choice((b"\x00", b"\x00\x00", b"A")))))
    if what == "ECDSA signature in DER" and name in CURVES:
        raw = base64.urlsafe_b64decode(third + b"=" * (-len(third) % 4))
        half = len(raw) // 2
        return what, b".".join((first, second, b64(utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:])))))
    if what == "signature of zeros":
        return what, b".".join((first, second, b64(bytes(len(base64.urlsafe_b64decode(third + b"=" * (-len(third) % 4)))))))
    if what == "signature cut":
        raw = base64.urlsafe_b64decode(third + b"=" * (-len(third) % 4))
        return what, b".".join((first, second, b64(raw[:-dice.randrange(1, 5)])))
    if what == "key is for another algorithm":
        other = dice.choice(("RS384", "RS512", "PS256"))
        return what, token(keys, {"alg": other, "kid": "RSA-RS256"}, payload, "RSA-RS256", other)
    if what == "key in the header":
        own = rsa.generate_private_key(65537, 2048) if dice.random() < 0.02 else keys.private["RSA-RS256"]
        public = jwk.import_key(own.public_key().public_bytes(*PEM), "RSA").as_dict(private=False)
        return what, token(keys, header | {"alg": "RS256", "kid": "RSA", "jwk": public}, payload, "RSA-RS256", "RS256")
    if what == "no algorithm":
        return what, token(keys, json.dumps({"kid": name}).encode(), payload, name, algorithm)
    if what == "header is no object":
        return what, token(keys, dice.choice((b"[]", b"\"x\"", b"null", b"1", b"", b"{", b"{}x")), payload, name, algorithm)
    if what == "a bit anywhere":
        raw = bytearray(whole)
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(7)
        other = bytes(raw).replace(b"\n", b"?")
        # Where just a spare bit of a part's last character was hit, it is another text of the same bytes.
        return "non-canonical base64url" if meant(other) == meant(whole) else what, other
    if what == "no signature":
        return what, first + b"." + second + b"."
    if what == "a name in the header escaped":
        text = json.dumps(header).replace('"alg"', '"\\u0061lg"').encode()
        return what, token(keys, text, payload, name, algorithm)
    if what == "PS with another salt" and algorithm.startswith("PS"):
        digest = HASHES[algorithm[2:]]()
        signed = first + b"." + second
        return what, signed + b"." + b64(keys.private[name].sign(signed, padding.PSS(padding.MGF1(digest), 20), digest))
    return "well-formed", whole


def named(text):
    """Whether the token's header has a kid."""
    first = text.split(b".")[0]
    return b'"kid"' in base64.urlsafe_b64decode(first + b"=" * (-len(first) % 4))


WRONG = (errors.JoseError, ValueError, KeyError, TypeError, AttributeError)


class Joserfc:
    def __init__(self, keys):
        warnings.simplefilter("ignore", errors.SecurityWarning)  # of EdDSA, the older name
        self.keys = jwk.KeySet.import_key_set(keys.set)
        self.registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)

    def read(self, text):
        try:
            return self.attempt(text, self.keys)
        except errors.InvalidKeyIdError:
            # It picks no key for a token without kid: does one of them fit?
            if named(text):
                return "-InvalidKeyIdError"
            answers = []
            for key in self.keys.keys:
                try:
                    answers.append(self.attempt(text, key))
                except WRONG:
                    pass
            return answers[0] if answers else "-InvalidKeyIdError"
        except WRONG as wrong:
            return "-" + type(wrong).__name__

    def attempt(self, text, key):
        return "+" + jws.deserialize_compact(text, key, registry=self.registry).payload.hex()
