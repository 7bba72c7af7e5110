"""Leaves for the proxy: one that is good, one that has expired, one of a foreign authority."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _write(folder, name, key, certificate):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / name / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(subject, issuer, key, begins, ends):
    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    return (x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(begins).not_valid_after(ends))


def make(folder, names):
    """Writes ca, leaf, expired and foreign, each a folder with cert.pem and key.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    authorities = {}
    for name in ("ca", "foreign ca"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (_builder(name, name, key, now - 30 * DAY, now + 2 * DAY)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                       .sign(key, hashes.SHA256()))
        authorities[name] = key
        if name == "ca":
            _write(folder, "ca", key, certificate)
    alternatives = x509.SubjectAlternativeName(
        [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for leaf, authority, begins, ends in (("leaf", "ca", now - DAY, now + 2 * DAY),
                                          ("expired", "ca", now - 20 * DAY, now - DAY),
                                          ("foreign", "foreign ca", now - DAY, now + 2 * DAY)):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (_builder("localhost", authority, key, begins, ends)
                       .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                       .add_extension(alternatives, critical=False).sign(authorities[authority], hashes.SHA256()))
        _write(folder, leaf, key, certificate)
