"""A certificate authority of the test's own, for loopback names only."""
import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path: Path, key, cert):
    path.mkdir(parents=True, exist_ok=True)
    (path / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (path / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def make_authority(folder: Path):
    """Writes ca/{key,cert}.pem and leaf/{key,cert}.pem (localhost, 127.0.0.1) below `folder`."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def build(subject, key, ca):
        return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name("agent gateway test CA"))
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
                .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))

    ca = build("agent gateway test CA", ca_key, True).sign(ca_key, hashes.SHA256())
    leaf = build("localhost", leaf_key, False).add_extension(x509.SubjectAlternativeName([
        x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    ).sign(ca_key, hashes.SHA256())
    _write(folder / "ca", ca_key, ca)
    _write(folder / "leaf", leaf_key, leaf)
    return folder
