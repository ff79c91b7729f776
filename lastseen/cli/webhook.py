"""`lastseen webhook listen`: a receiver on this computer, to see what webhooks bring and to answer them with errors."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import UsageError
from lastseen.cli.output import Json, local, print_json, printable

if TYPE_CHECKING:
    from lastseen.testing.http_server import Answer, Received

TOLERANCE = 300
"""Seconds that the sender's clock and ours may be apart."""

app = typer.Typer(help="Try webhooks on this computer.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Without it typer would take the only command for the group."""


@app.command("listen")
def listen(
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 8399,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    secret: Annotated[str, typer.Option(help="The channel's secret, whsec_…; signatures are verified.")] = "",
    secret_file: Annotated[Path | None, typer.Option(help="The file that holds it.")] = None,
    status: Annotated[
        list[int] | None, typer.Option(help="What to answer (204); several are given in turn, the last for ever.")
    ] = None,
    retry_after: Annotated[int | None, typer.Option(help="Seconds, sent with answers that are errors.")] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many deliveries.")] = None,
    as_json: Json = False,
) -> None:
    """Print every delivery, say whether its signature is genuine, and answer it; Ctrl-C ends it.

    With a secret, what is not genuine is answered 401, as a receiver should. --json: a line with the address, then one
    for each delivery.
    """
    answers = status or [204]
    for one in answers:
        if not 200 <= one <= 599:
            raise UsageError(f"--status takes a number from 200 to 599, not {one}")
    listener = Listener(_secret(secret, secret_file), answers, retry_after, count, as_json)
    try:
        asyncio.run(listener.listen(host, port))
    except KeyboardInterrupt:
        return


def _secret(text: str, file: Path | None) -> str | None:
    from lastseen.errors import InvalidInput
    from lastseen.notifiers.signing import decode_secret

    if text and file is not None:
        raise UsageError("give --secret or --secret-file, not both")
    given = file.read_text().strip() if file is not None else text
    if given.startswith("whsec_"):
        try:
            decode_secret(given)
        except ValueError as error:
            raise InvalidInput(str(error), "--secret") from None
    return given or None


class Listener:
    """Takes deliveries until told to stop, and prints them."""

    def __init__(
        self, secret: str | None, answers: Sequence[int], retry_after: int | None, count: int | None, as_json: bool
    ) -> None:
        self._secret, self._answers, self._retry_after = secret, answers, retry_after
        self._left, self._json = count, as_json
        self._tries: Counter[str] = Counter()
        self._taken = 0
        self._over = asyncio.Event()

    async def listen(self, host: str, port: int) -> None:
        from lastseen.testing.http_server import http_server

        async with http_server(self._take, host, port) as url:
            if self._json:
                print_json({"url": url})
            else:
                verified = "" if self._secret else "; signatures are not verified, --secret is not given"
                typer.echo(f"Listening at {url}/ (Ctrl-C ends it){verified}")
            await self._over.wait()

    async def _take(self, request: Received) -> Answer:
        from lastseen.clock import SystemClock
        from lastseen.testing.http_server import Answer

        at = SystemClock().wall()
        problem = None if self._secret is None else judged(request, self._secret, at.timestamp())
        status = self._answers[min(self._taken, len(self._answers) - 1)]
        if problem:
            status = 401
        else:
            self._taken += 1
        self._print(told(request, at, problem, status, self._try(request)))
        if self._left is not None:
            self._left -= 1
            if not self._left:
                asyncio.get_running_loop().call_later(0.2, self._over.set)  # the answer is on its way first
        late = {} if self._retry_after is None or status < 400 else {"retry-after": str(self._retry_after)}
        return Answer(status, b"" if status in (204, 304) else f"answered {status}".encode(), late)

    def _try(self, request: Received) -> int:
        id_ = request.headers.get("webhook-id", "")
        self._tries[id_] += 1
        return self._tries[id_]

    def _print(self, delivery: dict[str, Any]) -> None:
        if self._json:
            print_json(delivery)
            return
        again = f", try {delivery['try']}" if delivery["try"] > 1 else ""
        signature = {None: "not verified", True: "genuine"}.get(delivery["genuine"], f"REFUSED: {delivery['problem']}")
        words = f"{delivery['type'] or '?'} {delivery['machine'] or ''}".strip()
        typer.echo(printable(f"{local(delivery['at'])}  {words}  {signature}{again}  → {delivery['status']}"))
        typer.echo(printable(f"  {json.dumps(delivery['body'], ensure_ascii=False)}"))


def told(request: Received, at: datetime, problem: str | None, status: int, try_: int) -> dict[str, Any]:
    """A delivery as it is printed. `genuine` is None where there is no secret to tell by; `body` is a string where it
    is no JSON object."""
    body: Any
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    known = body if isinstance(body, dict) else {}
    machine = known.get("machine")
    return {
        "at": at,
        "id": request.headers.get("webhook-id"),
        "try": try_,
        "type": known.get("type"),
        "machine": machine.get("name") if isinstance(machine, dict) else None,
        "genuine": None if problem is None else not problem,
        "problem": problem or None,
        "status": status,
        "body": known or request.body.decode("utf-8", "replace"),
    }


def judged(request: Received, secret: str, now: float) -> str:
    """Why the request is not to be believed at `now` (Unix seconds), or "". A secret that is no whsec_… is that of
    `--signature lunasentri`."""
    from lastseen.notifiers.signing import decode_secret, sign, sign_lunasentri

    headers = request.headers
    if not secret.startswith("whsec_"):
        given = headers.get("x-lunasentri-signature", "")
        same = hmac.compare_digest(given.encode(), sign_lunasentri(secret, request.body).encode())
        return "" if same else _missing(given, "X-LunaSentri-Signature")
    timestamp = headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        return "webhook-timestamp is not a number of seconds"
    if abs(now - int(timestamp)) > TOLERANCE:
        return f"webhook-timestamp is {now - int(timestamp):.0f} s off"
    expected = sign(decode_secret(secret), headers.get("webhook-id", ""), timestamp, request.body).encode()
    signatures = headers.get("webhook-signature", "")
    if any(hmac.compare_digest(one.encode(), expected) for one in signatures.split(" ")):
        return ""
    return _missing(signatures, "webhook-signature")


def _missing(given: str, header: str) -> str:
    return f"{header} is of another secret, or of another body" if given else f"there is no {header}"
