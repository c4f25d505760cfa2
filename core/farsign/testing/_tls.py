"""A throw-away certificate authority and server certificate, so that SDKs that insist on TLS run unmodified."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = datetime.timedelta(days=30)


class ServerCertificate:
    """``context`` for the server; ``ca_pem`` (text) and ``ca_file`` (a path) for clients. Lives as long as this object."""

    def __init__(self, names: Sequence[str] = ("localhost", "127.0.0.1", "::1")) -> None:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _certificate("farsign emulator CA", ca_key.public_key(), ca_key, "farsign emulator CA", None)
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate("farsign emulator", key.public_key(), ca_key, "farsign emulator CA", names)
        self._folder = tempfile.TemporaryDirectory(prefix="farsign-emulator-")
        folder = Path(self._folder.name)
        self.ca_pem = ca.public_bytes(serialization.Encoding.PEM).decode()
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_text(self.ca_pem)
        chain = folder / "server.pem"
        chain.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)


@lru_cache(maxsize=16)
def server_certificate(names: tuple[str, ...]) -> ServerCertificate:
    """One per set of names and process: DNS names and IP addresses."""
    return ServerCertificate(names)


def _certificate(
    subject: str, key: ec.EllipticCurvePublicKey, ca_key: ec.EllipticCurvePrivateKey, issuer: str, names: Sequence[str] | None
) -> x509.Certificate:
    """Signed by ``ca_key``; for an authority if ``names`` is None."""
    # a day of slack before: a client with a slow clock is not what these tests are about
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFE)
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if names is None:
        builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    # Python 3.13's default context is strict (RFC 5280): an authority without keyCertSign is refused
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
