"""Where a broker is, and how its certificate is checked and ours shown."""

from __future__ import annotations

import ssl
from urllib.parse import unquote, urlsplit

from lastseen.errors import InvalidInput
from lastseen.faults import Faults
from lastseen.words import say

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address:
    """A broker's URL, taken apart."""

    def __init__(self, url: str, username: str | None, password: str | None) -> None:
        wrong = InvalidInput(say("must be mqtt://host[:port] or mqtts://host[:port]"), "url")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise wrong
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, port or PORTS[parts.scheme]
        self.username = username or (unquote(parts.username) if parts.username else None)
        self.password = password or (unquote(parts.password) if parts.password else None)

    def check_user(self) -> None:
        """Raises InvalidInput."""
        if self.password is not None and self.username is None:
            raise InvalidInput(say("is needed where there is a password"), "username")


def tls_context(scheme: str, ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext | None:
    faults = Faults()
    if scheme == "mqtt":
        for name, value in (("ca", ca), ("cert", cert), ("key", key)):
            if value is not None:
                faults.note(InvalidInput(say("is only for mqtts:// addresses"), name))
        faults.tell()
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if key is not None and cert is None:
        faults.note(InvalidInput(say("is needed where there is a key"), "cert"))
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        faults.note(InvalidInput(say("{ca!r} holds no certificates: {name}", ca=ca, name=type(error).__name__), "ca"))
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            faults.note(
                InvalidInput(say("{cert!r} cannot be used: {name}", cert=cert, name=type(error).__name__), "cert")
            )
    faults.tell()
    return context
