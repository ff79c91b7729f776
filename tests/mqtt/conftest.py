from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mqtt.broker import Mosquitto


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker for tests that leave it as it is. Their topics are their own."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that a test may kill. It remembers sessions over a restart."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), persistent=True)
    broker.start()
    yield broker
    broker.stop()
