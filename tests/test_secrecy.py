"""The search for secrets finds them."""

from __future__ import annotations

import pytest

from tests import secrecy


def test_a_secret_in_a_log_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy, "LOGGED", [("a test", "the key is lsm_" + "x" * 20)])
    monkeypatch.setattr(secrecy, "_SECRETS", {"lsm_" + "x" * 20, "lsm_" + "y" * 20})
    monkeypatch.setattr(secrecy, "_FROM_FILES", [])
    assert secrecy.leaks() == [("a test", "lsm_xxxxx")]
