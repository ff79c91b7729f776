"""What an e-mail looks like. Pure: a message in, a letter out, and never a header that somebody's machine name wrote.

RFC 5322 (headers, Message-ID, In-Reply-To), RFC 3834 (Auto-Submitted), RFC 2046 (alternatives).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import MessageError, NonASCIILocalPartDefect
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from lastseen.model import Message
from lastseen.notifiers.wording import one_line, shorten
from lastseen.words import say

LONGEST_SUBJECT = 150

_POLICY = SMTP.clone(cte_type="7bit")  # not every server takes 8 bits
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._-]+@[A-Za-z0-9.\[\]:-]+>")

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>
:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ .page {{ background: #16181c !important; color: #e6e6e6 !important; }} }}
</style>
</head>
<body class="page" style="margin:0; background:#ffffff; color:#1c1c1c;">
<div style="max-width:38em; padding:20px; overflow-wrap:anywhere; \
font:16px/1.5 -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;">
{lines}
</div>
</body>
</html>
"""
_FIRST = '<p style="margin:0 0 10px; font-size:19px; line-height:1.35;">{}</p>'
_OTHER = '<p style="margin:0 0 4px;">{}</p>'


def letter(message: Message, sender: str, to: Sequence[str], now: datetime) -> EmailMessage:
    """The e-mail of a message, from one mailbox to others, dated `now` (wall time).

    Its Message-ID is the notification's own, the same on every try; the end of an alert answers that alert's.
    """
    mail = EmailMessage(_POLICY)
    mail["From"] = mailbox(sender)
    mail["To"] = [mailbox(one) for one in to]
    mail["Subject"] = _subject(message.title)
    mail["Date"] = format_datetime(now.astimezone(UTC))
    mail["Message-ID"] = message_id(message, sender)
    if message.reply_to is not None and _MESSAGE_ID.fullmatch(message.reply_to):
        mail["In-Reply-To"] = mail["References"] = message.reply_to
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange does not know the former
    mail.set_content(_encodable(message.text) + "\n")
    mail.add_alternative(_page(message), subtype="html")
    return mail


def as_sent(mail: EmailMessage) -> tuple[bytes, bool]:
    """Its bytes, and whether they need SMTPUTF8: addresses outside ASCII do (RFC 6531)."""
    foreign = not all(one.username.isascii() for header in ("from", "to") for one in mail[header].addresses)
    return mail.as_bytes(policy=SMTPUTF8.clone(cte_type="7bit") if foreign else _POLICY), foreign


def message_id(message: Message, sender: str) -> str:
    """The same on every try of one notification."""
    return f"<{re.sub(r'[^A-Za-z0-9._-]', '-', message.id)}@{mailbox(sender).domain}>"


def mailbox(text: str) -> Address:
    """One address, with or without a name before it; its domain as the wire has it. ValueError otherwise."""
    complaint = say("must be an address such as ops@example.org, or Ops <ops@example.org>")
    if one_line(text) != text.strip() or not text.strip():
        raise ValueError(complaint)
    try:
        header = SMTP.header_factory("To", text.strip())
        (given,) = header.addresses
        address = Address(given.display_name, given.username, given.domain.encode("idna").decode("ascii"))
    except (ValueError, IndexError, AttributeError, MessageError):
        raise ValueError(complaint) from None
    if any(not isinstance(defect, NonASCIILocalPartDefect) for defect in header.defects):
        raise ValueError(complaint)
    if not address.username or not address.domain:
        raise ValueError(complaint)
    return address


def _page(message: Message) -> str:
    first, *others = _encodable(message.html).splitlines() or [""]
    lines = [_FIRST.format(first), *(_OTHER.format(line or "&nbsp;") for line in others)]
    return _PAGE.format(lines="\n".join(lines))


def _subject(title: str) -> str:
    """One line in which nothing is taken for an encoded word: that could hold a line break, and with it a header."""
    return shorten(one_line(_encodable(title)).replace("=?", "= ?"), LONGEST_SUBJECT) or "lastseen"


def _encodable(text: str) -> str:
    """Half of a pair that JSON may hold and UTF-8 may not becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
