"""Prints what would be sent: for trying out, and for programs whose output somebody reads."""

from __future__ import annotations

import sys
from typing import Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field

from lastseen.model import Message


class Console:
    """Prints messages where the program runs."""

    class Config(BaseModel):
        """Where to print."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        stream: Literal["stdout", "stderr"] = Field(default="stdout", description="stdout or stderr")

    operators_only = True  # what it prints stands among the lines of the server's own log
    label = "Console"
    host = ""

    def __init__(self, config: Config | None = None, tools: Any = None) -> None:
        self.config = config or self.Config()

    async def send(self, message: Message) -> None:
        """Print the text. A stream that is closed raises, and the message is tried again."""
        stream: TextIO = sys.stdout if self.config.stream == "stdout" else sys.stderr
        print(_printable(message.text, stream), file=stream, flush=True)


def _printable(text: str, stream: TextIO) -> str:
    """As much of it as the stream's encoding knows."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
