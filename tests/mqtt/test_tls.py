"""Brokers that encrypt, and that want to see who comes: certificates made for the test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from lastseen.errors import InvalidInput
from lastseen.ingest.mqtt import MqttSource
from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import hears, listening
from tests.support import eventually

FROM, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


class Authority:
    """Signs certificates, and puts them into files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self._write(self.file, self._signed(self._name, self._key.public_key(), True))

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), False)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        self._write(files[0], cert)
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _signed(self, name: x509.Name, key: Any, authority: bool) -> x509.Certificate:
        there = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        building = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), FROM, UNTIL)
        building = building.add_extension(x509.BasicConstraints(authority, None), critical=True)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        building = building.add_extension(ours, critical=False)
        building = building.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        if authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            building = building.add_extension(usage, critical=True)
        return building.add_extension(there, critical=False).sign(self._key, hashes.SHA256())

    def _write(self, file: Path, cert: x509.Certificate) -> None:
        file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def guarded(authority: Authority, tmp_path: Path) -> Iterator[Mosquitto]:
    """Whoever comes must show a certificate; its name is the user's."""
    cert, key = authority.issue("broker")
    lines = [f"cafile {authority.file}", f"certfile {cert}", f"keyfile {key}", "require_certificate true"]
    broker = Mosquitto(tmp_path, [*lines, "use_identity_as_username true"])
    broker.start()
    yield broker
    broker.stop()


def there(broker: Mosquitto) -> str:
    return f"mqtts://127.0.0.1:{broker.port}"


async def test_with_our_certificate_the_broker_lets_us_in(
    guarded: Mosquitto, authority: Authority, tmp_path: Path
) -> None:
    cert, key = (str(file) for file in authority.issue("lastseen"))
    way = MqttSource(there(guarded), presets=["devices"], ca=str(authority.file), cert=cert, key=key)
    async with listening(tmp_path, way) as (monitor, _):
        assert hears(monitor, "mqtt")


async def test_without_it_or_where_the_brokers_own_is_not_trusted_the_reason_is_told(
    guarded: Mosquitto, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    cert, key = (str(file) for file in authority.issue("lastseen"))
    with capture_logs() as logs:
        bare = MqttSource(there(guarded), name="bare", presets=["devices"], ca=str(authority.file))
        wary = MqttSource(there(guarded), name="wary", presets=["devices"], ca=str(stranger.file), cert=cert, key=key)
        plain = MqttSource(guarded.url, name="plain", presets=["devices"])
        async with listening(tmp_path, bare, wary, plain, up=False) as (monitor, _):

            def told() -> dict[str, str]:
                return {line["source"]: line["reason"] for line in logs if line["event"] == "mqtt_link_lost"}

            await eventually(lambda: told().keys() == {"bare", "wary", "plain"})
            assert not any(hears(monitor, name) for name in ("bare", "wary", "plain"))
    assert told()["wary"].startswith("TLS: ")


@pytest.mark.parametrize("field", ["ca", "cert", "key"])
def test_files_that_cannot_be_used_and_files_without_tls_are_refused(field: str, tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("no certificate")
    odd: dict[str, Any] = {field: str(tmp_path / "odd.pem")}
    for url in ("mqtts://localhost", "mqtt://localhost"):
        with pytest.raises(InvalidInput) as refused:
            MqttSource(url, presets=["devices"], **odd)
        assert refused.value.field == ("cert" if field == "key" and url.startswith("mqtts") else field)
