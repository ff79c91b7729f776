"""The whole test of a notifier: slow far ends, 429, 500, resets, cancelling, leaking secrets."""

from typing import Any

from pydantic import SecretStr

from examples.gotify import Gotify
from lastseen.testing import NotifierSuite


class TestGotify(NotifierSuite):
    def make(self, server: Any, tools: Any) -> Gotify:
        return Gotify(Gotify.Config(url=server.url, token=SecretStr("t0p-s3cret")), tools)
