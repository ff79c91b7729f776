"""What a mail server's answers mean. Its library: it is imported when the first e-mail is sent.

4xx is over later, 5xx is not (RFC 5321 4.2.1); which of the two concerns the message, the recipient or ourselves is
told by the command that was answered and by the enhanced code, where there is one (RFC 3463).
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPConnectTimeoutError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from lastseen.model import Outcome, Rejected, Retry, Scope
from lastseen.notifiers.outcome import why_not_connected
from lastseen.notifiers.reach import unreached
from lastseen.notifiers.wording import one_line, shorten

__all__ = ["REFUSED", "SMTP", "TROUBLE", "SMTPRecipientsRefused", "Words", "is_gone", "is_temporary", "meaning"]

TROUBLE = (SMTPException, OSError, TimeoutError)
"""What a conversation with a mail server raises."""

REFUSED = (SMTPResponseException, SMTPRecipientsRefused)
"""Of these, those after which the server still listens."""

_QUOTED = 120
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS = re.compile(r"<?[^\s<>]+@[^\s<>:,;]+>?")
_KEY_LIKE = re.compile(r"(?=[A-Za-z0-9+/=_.-]*\d)[A-Za-z0-9+/=_.-]{20,}")
_TOO_BIG = {552, 523}


class Words:
    """Quotes a server in a reason: without addresses, and without what it was told in confidence."""

    def __init__(self, host: str, user: str | None, password: str | None) -> None:
        self.host = host
        given = [text for text in (password, user) if text]
        plain = base64.b64encode(f"\0{user or ''}\0{password or ''}".encode()).decode()
        coded = [base64.b64encode(text.encode()).decode() for text in given]
        self._hidden = sorted({*given, *coded, plain}, key=len, reverse=True)

    def __call__(self, code: int, said: str) -> str:
        """`450 from mail.example: greylisted`."""
        for text in self._hidden:
            said = said.replace(text, "[…]")
        said = _KEY_LIKE.sub("[…]", _ADDRESS.sub("[address]", said))
        said = shorten(one_line(_ENHANCED.sub("", said, count=1)), _QUOTED)
        return f"{code} from {self.host}" + (f": {said}" if said else "")


def is_temporary(code: int) -> bool:
    return not 500 <= code < 600


def is_gone(code: int, said: str) -> bool:
    """There is no such mailbox any more. A full one, and one that a rule keeps from us, is there."""
    enhanced = _ENHANCED.match(said)
    if enhanced is None:
        return code in (550, 551, 553)
    return enhanced[1] == "5" and (enhanced[2] == "1" or (enhanced[2], enhanced[3]) == ("2", "1"))


def meaning(error: Exception, words: Words) -> Outcome:
    """What went wrong instead of a delivery, for a notification."""
    for kind, outcome in _MEANING.items():
        if isinstance(error, kind):
            return outcome(error, words)
    return Retry(f"{type(error).__name__} while sending to {words.host}")


def _authentication(error: SMTPAuthenticationError, words: Words) -> Outcome:
    if is_temporary(error.code):
        return Retry(f"{words.host} cannot check the password now ({error.code})")
    return Retry(f"{words.host} refuses the user or the password ({error.code})")


def _sender(error: SMTPSenderRefused, words: Words) -> Outcome:
    if error.code in _TOO_BIG:
        return Rejected(words(error.code, error.message))
    reason = words(error.code, error.message)
    return Retry(reason if is_temporary(error.code) else f"it refuses the sender: {reason}")


def _data(error: SMTPDataError, words: Words) -> Outcome:
    reason = words(error.code, error.message)
    return Retry(reason) if is_temporary(error.code) else Rejected(reason, Scope.NOTIFICATION)


def _connect_timeout(error: SMTPConnectTimeoutError, words: Words) -> Outcome:
    if isinstance(error.__cause__, SMTPTimeoutError):  # connected, and then it said nothing
        return Retry(f"{words.host} timed out")
    return Retry(f"cannot connect to {words.host}: timed out", unreached=True)


def _connect(error: Exception, words: Words) -> Outcome:
    cause = error.__cause__ if isinstance(error, SMTPException) else error
    if isinstance(cause, SMTPServerDisconnected):
        return Retry(f"{words.host} broke the connection")
    return Retry(f"cannot connect to {words.host}: {why_not_connected(error)}", unreached=unreached(error))


def _other(error: SMTPException, words: Words) -> Outcome:
    """The library's own words say what the server cannot do; they quote nobody."""
    said = error.message.lower() if isinstance(error.message, str) else ""
    if "auth" in said:
        return Retry(f"{words.host} offers no way to log in that is known here")
    if "starttls" in said:
        return Retry(f"{words.host} offers no STARTTLS: try --security tls")
    if "utf8" in said:
        return Retry(f"{words.host} takes no addresses outside ASCII")
    return Retry(f"{type(error).__name__} while sending to {words.host}")


_MEANING: Mapping[type[Exception], Callable[[Any, Words], Outcome]] = {
    SMTPAuthenticationError: _authentication,
    SMTPSenderRefused: _sender,
    SMTPDataError: _data,
    SMTPConnectResponseError: lambda error, words: Retry(words(error.code, error.message)),
    SMTPConnectTimeoutError: _connect_timeout,
    SMTPResponseException: lambda error, words: Retry(words(error.code, error.message)),
    SMTPConnectError: _connect,
    SMTPServerDisconnected: lambda error, words: Retry(f"{words.host} broke the connection: perhaps it was delivered"),
    TimeoutError: lambda error, words: Retry(f"{words.host} timed out: perhaps it was delivered"),
    ssl.SSLError: _connect,
    OSError: _connect,
    SMTPException: _other,
}
"""The first that fits; kinds of another stand before it."""
