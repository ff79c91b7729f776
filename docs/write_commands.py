"""Write the table at the end of docs/commands.md: every command with what its `--help` says first.

python docs/write_commands.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from lastseen.cli.main import app

PAGE = Path(__file__).with_name("commands.md")
HEAD = "| command | what it does |\n|---|---|\n"


def rows(command: Any, words: str = "lastseen") -> Iterator[tuple[str, str]]:
    """Every command below this one, in the order of the help, with the first sentence of its own."""
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from rows(inner, f"{words} {name}")
        else:
            arguments = [p.metavar or p.name.upper() for p in inner.params if p.param_type_name == "argument"]
            more = ["TYPE"] if hasattr(inner, "list_commands") else []
            said = " ".join((inner.help or "").split("\n\n")[0].split())
            yield " ".join([words, name, *arguments, *more]), said


def table() -> str:
    lines = [f"| `{command}` | {said} |\n" for command, said in rows(typer.main.get_command(app))]
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(HEAD)[0] + table())
