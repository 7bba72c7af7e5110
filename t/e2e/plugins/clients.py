"""Client certificates, right ones and wrong ones, of an authority made for a test."""
import datetime
import hashlib
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import jose

_DAY = datetime.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
                      x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Client:
    def __init__(self, folder: Path, name, key, certificate, server_ca):
        self.path = folder / f"{name}.pem"
        self.certificate = certificate
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.thumbprint = jose.b64u(hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest())
        self._server_ca = server_ca

    @property
    def tls(self):
        context = ssl.create_default_context(cafile=str(self._server_ca))
        context.load_cert_chain(self.path)
        return context


class Clients:
    """`server_ca`: whom these clients believe."""

    def __init__(self, folder: Path, server_ca: Path, name="agents' authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.server_ca = folder, server_ca
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.certificate = self._build(self.name, self.key, True, [], True).sign(self.key, hashes.SHA256())
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.crl = folder / "crl.pem"
        self.revoke()
        self._count = 0

    def _build(self, subject, key, ca, uris, signs, dns=()):
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
                .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
                .add_extension(x509.KeyUsage(digital_signature=signs, key_cert_sign=ca, crl_sign=ca,
                                             content_commitment=False, key_encipherment=False, data_encipherment=False,
                                             key_agreement=not signs, encipher_only=False, decipher_only=False),
                               critical=True))
        names = [x509.UniformResourceIdentifier(uri) for uri in uris] + [x509.DNSName(name) for name in dns]
        return made.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else made

    def client(self, *uris, name="agent", ca=False, signs=True, dns=()) -> Client:
        self._count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(_name(name), key, ca, uris, signs, dns).sign(self.key, hashes.SHA256())
        return Client(self.folder, f"client{self._count}", key, certificate, self.server_ca)

    def stranger(self) -> Client:
        """Of an authority that nobody knows."""
        return Clients(self.folder / "strangers", self.server_ca, "nobody's authority").client()

    def revoke(self, *clients):
        now = datetime.datetime.now(datetime.timezone.utc)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now - _DAY).next_update(now + _DAY)
        for client in clients:
            made = made.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(
                client.certificate.serial_number).revocation_date(now).build())
        self.crl.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
