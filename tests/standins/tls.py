"""Certificates for stand-ins that speak TLS: of an authority that the test trusts, and wrong ones."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
LATER, OVER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
PLAIN = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True)
class Issued:
    """A certificate with its key. `file`: both in PEM, the certificate first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path

    @property
    def context(self) -> ssl.SSLContext:
        """A server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


def issue(file: Path, *names: str, by: Issued | None = None, expired: bool = False) -> Issued:
    """For these names, the first of which is its own; signed `by` somebody, or by itself. `expired`: years ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    issuer, signing = (by.certificate.subject, by.key) if by is not None else (subject, key)
    usage = x509.KeyUsage(True, False, False, False, False, by is None, by is None, False, False)
    building = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), BEGIN, OVER if expired else LATER
    )
    for extension, critical in (
        (x509.BasicConstraints(by is None, None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False),
        (usage, True),
        (x509.SubjectAlternativeName([_name(name) for name in names]), False),
    ):
        building = building.add_extension(extension, critical=critical)
    certificate = building.sign(signing, hashes.SHA256())
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*PLAIN))
    return Issued(certificate, key, file)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
