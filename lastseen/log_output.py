"""How log lines look, and that no secret is in one: for the server and the command line.

Everything, also what libraries log, goes through one formatter of the standard library's logging. The finished line,
traceback and all, is searched for secrets last, so nothing can be rendered around it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import Processor

QUIET = ("httpx", "httpcore", "telegram", "apscheduler", "alembic", "uvicorn", "asyncio")
"""Libraries of which only warnings are wanted; httpx and telegram would log addresses with bot tokens in them."""

MUTE = ("uvicorn.error",)
"""Of which only errors are wanted: it warns of every request that it cannot read, and so lets anybody fill the disk."""

_SHORTEST = 6
"""A known secret shorter than this is not searched for: it would turn up in ordinary words."""

_PATTERNS = (
    (re.compile(r"(?<!\d)\d{5,}:[A-Za-z0-9_-]{20,}"), "[bot token]"),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), "whsec_[secret]"),
    (re.compile(r"(ls[mfapu]_)[A-Za-z0-9_-]{8,}"), r"\1[secret]"),
    (re.compile(r"(/ping/|/api/push/)[^\s/\"'?#\\<>]+"), r"\1[secret]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 [secret]"),
    (
        re.compile(
            r"""(?ix) \b(authorization|x-api-key)
            ((?= [^A-Za-z0-9]*[:=,]) (?: \\?["'] | [\s:=,(\[] | b(?=\\?["']) )++)
            (?! bearer | basic | \[secret ) [^\s"'\\,;)}\]]+"""
        ),
        r"\1\2[secret]",
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"), r"\1:[secret]@"),
)


class Redactor:
    """Takes secrets out of a text: by their form, and those it was told of."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, secrets: Iterable[str]) -> None:
        """These values never appear in a log from now on, however they are quoted."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe="")}
                self._known |= forms | {json.dumps(form)[1:-1] for form in forms}
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub("[secret]", text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


redact = Redactor()
"""The process's own: who reads a secret tells it."""


def remember_secrets(*secrets: str) -> None:
    """These values never appear in a log from now on."""
    redact.remember(secrets)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logs(form: str = "console", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send everything to `stream` (standard error), as lines for people (`console`) or for programs (`json`).

    May be called again: the last call counts.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _Formatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form, stream)],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(allow=())],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, _Formatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in MUTE:
        logging.getLogger(name).setLevel(logging.ERROR)


def _rendering(form: str, stream: Any) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)]
    console = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [console]
