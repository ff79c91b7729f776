"""E-mail, by aiosmtplib: text and HTML, over TLS, one letter to all recipients of a channel."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from lastseen.clock import Clock, SystemClock
from lastseen.errors import ConfigurationError, PluginError
from lastseen.log import get_logger
from lastseen.model import Delivered, Message, Outcome, Rejected, Retry, Scope
from lastseen.notifiers.email_letter import as_sent, letter, mailbox, message_id
from lastseen.words import say

if TYPE_CHECKING:
    from lastseen.notifiers.tools import Tools

PORTS = {"starttls": 587, "tls": 465, "none": 25}
GOODBYE = 1.0
"""Seconds for the goodbye to a server."""

REMEMBERED = 200
"""Letters of which it is remembered who has them already."""

_log = get_logger()


def email_library() -> ModuleType:
    """What speaks SMTP, or a PluginError that says how to get it."""
    try:
        from lastseen.notifiers import email_answers
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiosmtplib":
            raise
        raise PluginError("e-mail needs a package: install it with: pip install lastseen[email]") from None
    return email_answers


class Email:
    """Sends e-mail through a mail server."""

    class Config(BaseModel):
        """Which server, as whom, and to whom."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        host: str = Field(min_length=1, description="the mail server that takes your mail")
        port: int | None = Field(
            default=None, ge=1, le=65535, description="587 with starttls, 465 with tls, 25 with none, unless given"
        )
        security: Literal["starttls", "tls", "none"] = Field(
            default="starttls", description="starttls, tls (from the first byte), or none"
        )
        user: str | None = Field(default=None, description="the name to log in with")
        password: SecretStr | None = Field(default=None, description="the password to log in with")
        sender: str = Field(description="from which address, such as lastseen@example.org")
        to: tuple[str, ...] = Field(min_length=1, max_length=50, description="to which address; may be repeated")
        ca_file: str | None = Field(default=None, description="certificates to trust beside the system's (a file)")
        timeout: float = Field(default=10.0, ge=0.1, le=120, description="seconds for each answer of the server")

        @field_validator("host")
        @classmethod
        def _name(cls, value: str) -> str:
            if any(c.isspace() or c in "/@" for c in value):
                raise ValueError(say("must be a name or an address such as mail.example.org"))
            return value

        @field_validator("sender")
        @classmethod
        def _mailbox(cls, value: str) -> str:
            mailbox(value)
            return value.strip()

        @field_validator("to")
        @classmethod
        def _mailboxes(cls, values: tuple[str, ...]) -> tuple[str, ...]:
            for value in values:
                mailbox(value)
            return tuple(dict.fromkeys(value.strip() for value in values))

        @model_validator(mode="after")
        def _whole(self) -> Self:
            if (self.user is None) != (self.password is None):
                raise ValueError(say("user and password belong together: give both or none"))
            if self.password is not None and self.security == "none":
                raise ValueError(
                    say("a password is sent over TLS only: with security none give no user and no password")
                )
            return self

    max_batch = 4096
    schedule = "chat"
    label = "E-mail"
    operators_only = True
    """Its server may be at any address: channels of it are written by the command line."""

    def __init__(self, config: Config, tools: Tools | None = None) -> None:
        """Opens nothing. PluginError if aiosmtplib is not installed, ConfigurationError if `ca_file` cannot be read."""
        self._library = email_library()
        self.config = config
        self.host = config.host
        self.timeout = 3 * config.timeout + 2 * GOODBYE
        self._clock: Clock = tools.clock if tools is not None else SystemClock()
        self._tls = None if config.security == "none" else _tls(config.ca_file)
        password = None if config.password is None else config.password.get_secret_value()
        self._words = self._library.Words(config.host, config.user, password)
        self._have: OrderedDict[tuple[str, ...], set[str]] = OrderedDict()
        self._complained: set[str] = set()

    async def send(self, message: Message) -> Outcome:
        """One letter to those who do not have it yet. It is delivered when everybody has it, or never will."""
        key = (message.id, *sorted(event.uid for event in message.events))
        have = self._have.get(key, set())
        to = [address for address in self.config.to if address not in have]
        try:
            async with asyncio.timeout(3 * self.config.timeout):
                refused = await self._converse(message, to)
        except self._library.SMTPRecipientsRefused as error:
            refused = {one.recipient: (one.code, one.message) for one in error.recipients}
        except self._library.TROUBLE as error:
            outcome: Outcome = self._library.meaning(error, self._words)
            return outcome
        have = have | {address for address in to if mailbox(address).addr_spec not in refused}
        return self._settle(message, key, have, refused)

    async def _converse(self, message: Message, to: list[str]) -> dict[str, tuple[int, str]]:
        """Who was refused, if it was not everybody: with the server's words."""
        wall = message.wall or self._clock.wall()
        content, foreign = as_sent(letter(message, self.config.sender, self.config.to, wall))
        async with self._connected() as smtp:
            refused, _ = await smtp.sendmail(
                mailbox(self.config.sender).addr_spec,
                [mailbox(address).addr_spec for address in to],
                content,
                mail_options=["SMTPUTF8"] if foreign else None,
            )
        return {address: (answer.code, answer.message) for address, answer in refused.items()}

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        config = self.config
        smtp = self._library.SMTP(
            hostname=config.host,
            port=config.port or PORTS[config.security],
            timeout=config.timeout,
            use_tls=config.security == "tls",
            start_tls=False,
            tls_context=self._tls,
        )
        line = None
        try:
            await smtp.connect()
            line = smtp.transport
            if config.security == "starttls":
                await smtp.starttls()
            if config.user is not None:
                await smtp.login(config.user, "" if config.password is None else config.password.get_secret_value())
            try:
                yield smtp
            except self._library.REFUSED:
                await self._goodbye(smtp)
                raise
            await self._goodbye(smtp)
        finally:
            smtp.close()
            if line is not None:
                line.abort()  # all was said: nobody waits for the end of TLS
                await asyncio.sleep(0)  # the loop closes the socket at its next turn

    async def _goodbye(self, smtp: Any) -> None:
        """The letter was taken or refused: what follows changes nothing."""
        with contextlib.suppress(*self._library.TROUBLE):
            async with asyncio.timeout(GOODBYE):
                await smtp.quit()

    def _settle(
        self, message: Message, key: tuple[str, ...], have: set[str], refused: dict[str, tuple[int, str]]
    ) -> Outcome:
        library, words = self._library, self._words
        later = {address: said for address, said in refused.items() if library.is_temporary(said[0])}
        if later:
            self._remember(key, have)
            reason = words(*next(iter(later.values())))
            return Retry(f"{reason} ({_of(later, self.config.to)})", Scope.NOTIFICATION) if have else Retry(reason)
        if not have:
            reason = words(*next(iter(refused.values())))
            gone = all(library.is_gone(*said) for said in refused.values())
            return Rejected(reason, Scope.CHANNEL) if gone else Retry(reason)
        self._have.pop(key, None)
        for address, said in refused.items():
            self._complain(address, words(*said))
        return Delivered(receipt=message_id(message, self.config.sender))

    def _remember(self, key: tuple[str, ...], have: set[str]) -> None:
        self._have[key] = have
        while len(self._have) > REMEMBERED:
            self._have.popitem(last=False)

    def _complain(self, address: str, reason: str) -> None:
        """Once for each address that is refused while others of the channel are not."""
        if address not in self._complained:
            self._complained.add(address)
            _log.warning("mail_recipient_refused", recipient=address, reason=reason)


def _of(some: dict[str, Any], everybody: tuple[str, ...]) -> str:
    return f"for {len(some)} of {len(everybody)} recipients"


def _tls(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(f"ca_file: no certificates can be read from {ca_file}") from None
    return context
