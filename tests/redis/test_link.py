"""What a server's address may be, and what its library may raise."""

from __future__ import annotations

import sys

import pytest
from redis import exceptions

from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError, PluginError
from lastseen.storage.redis_link import Away, Link, reason_of
from tests.secrecy import secret
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.anyio
PASSWORD = secret("s3cret-of-redis")


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@host",
        PASSWORD,
        "",
        f"redis:{PASSWORD}",
        f"redis://:{PASSWORD}@host:port/0",
        f"redis://:{PASSWORD}@host:99999999/0?socket_timeout=x",
        f"unix:{PASSWORD}",
    ],
)
def test_what_is_no_address_is_refused_by_its_settings_name_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LASTSEEN_REDIS_URL") as caught:
        Link(url, SystemClock())
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_valkey_is_another_word_for_redis(scheme: str, shared: Valkey) -> None:
    link = Link(shared.url.replace("redis", scheme, 1), SystemClock())
    assert await link.ask(lambda client: client.ping(), 5)
    await link.close()


async def test_a_socket_is_an_address_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("v")
    server = Valkey(folder, "--unixsocket", str(folder / "s"))
    server.start()
    try:
        link = Link(f"unix://:{server.password}@{folder}/s?db=1", SystemClock())
        await link.ask(lambda client: client.set("here", "1"), 5)
        await link.close()
        assert server.client.info("keyspace")["db1"]["keys"] == 1
    finally:
        server.kill()


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(PluginError, match=r"pip install 'lastseen\[redis\]'"):
        Link("redis://127.0.0.1:1", SystemClock())


FOREIGN = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
OF_OTHER_CLIENTS = {"ChildDeadlockedError", "RedisClusterException", "IncorrectPolicyType"}
"""And what is below them: of clusters and forks, which are not used here."""


@pytest.mark.parametrize("kind", [*FOREIGN, OSError, ConnectionResetError, TimeoutError])
async def test_whatever_the_library_raises_the_server_is_away_and_nothing_of_it_is_repeated(kind: type) -> None:
    if {base.__name__ for base in kind.__mro__} & OF_OTHER_CLIENTS:
        return
    link = Link("redis://127.0.0.1:1", SystemClock())

    async def fails(client: object) -> None:
        raise kind.__new__(kind, PASSWORD)

    with pytest.raises(Away):
        await link.ask(fails, 1)
    assert link.reason == reason_of(kind.__new__(kind))
    assert PASSWORD not in link.reason
    with pytest.raises(Away):
        await link.ask(lambda client: client.ping(), 1)
    await link.close()
