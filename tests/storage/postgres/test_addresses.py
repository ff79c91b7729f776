"""The address of a database: what is wrong with it is said, and nothing of what may be a password is."""

from __future__ import annotations

import traceback

import pytest

from lastseen.errors import ConfigurationError
from lastseen.storage import open_store

PASSWORD = "hunter2-of-the-database"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://lastseen:{PASSWORD}%@host/name", "invalid percent-encoded token"),
        (f"postgresql://lastseen:100%{PASSWORD}@host/name", "invalid percent-encoded token"),
        (f"postgresql://host/name?{PASSWORD}=1", "invalid URI query parameter"),
        (f"postgresql://host/name?{PASSWORD}", "missing key/value separator"),
        (f"postgresql://[{PASSWORD}/name", "end of string reached"),
        (f'postgresql://lastseen:"%{PASSWORD}"@host/name', "invalid percent-encoded token"),
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        open_store(url)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value, limit=0))
