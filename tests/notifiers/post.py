"""An e-mail notifier for the tests' own mail server."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from lastseen.notifiers.email import Email
from tests.secrecy import secret
from tests.standins.smtp import PASSWORD, USER, Certificate, MailServer

OPS, BOSS = "ops@example.org", "boss@example.org"
secret(PASSWORD)


def email(server: MailServer, certificate: Certificate, **changes: Any) -> Email:
    given = {
        "host": "localhost",
        "port": server.port,
        "user": USER,
        "password": SecretStr(PASSWORD),
        "sender": "lastseen@example.org",
        "to": (OPS,),
        "ca_file": str(certificate.file),
        **changes,
    }
    return Email(Email.Config(**given))
