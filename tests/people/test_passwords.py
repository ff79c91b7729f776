"""Passwords are hashed slowly, a few at a time, and nobody can find out by a clock who there is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from pwdlib import PasswordHash

from lastseen.errors import InvalidInput
from lastseen.manage import passwords
from lastseen.manage.passwords import AT_ONCE, hashed, matches


async def test_a_password_is_known_by_its_hash_and_no_other_is() -> None:
    stored = await hashed("häuser am fluß")
    assert stored.startswith("$argon2id$")
    assert "fluß" not in stored
    assert await matches("häuser am fluß", stored)
    assert await matches("ha\u0308user am fluß", stored), "the same letter, as another keyboard writes it"
    assert not await matches("häuser am fluss", stored)
    assert not await matches("häuser am fluß", None)


def test_it_takes_as_much_work_as_the_library_recommends() -> None:
    """In a process of its own: the other tests make it light."""
    program = "from lastseen.manage import passwords; print(passwords._nobodys())"
    stored = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert stored.split("$")[:4] == PasswordHash.recommended().hash("x").split("$")[:4]
    memory = int(stored.split("m=")[1].split(",")[0])
    assert memory >= 19 * 1024, "KiB: the least that OWASP's password storage cheat sheet takes for argon2id"


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1001, "nul\0 in it", "half a pair \ud800"])
async def test_what_can_be_no_password_is_refused_and_matches_nothing(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await hashed(password)
    assert caught.value.field == "password"
    assert password == "" or password not in str(caught.value)
    assert not await matches(password, None)


async def test_what_was_stored_in_a_way_that_we_do_not_know_is_nobodys() -> None:
    assert not await matches("swordfish", "swordfish")


async def test_nobody_is_looked_up_for_as_long_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []

    class Yes:
        def verify(self, password: str, stored: str) -> bool:
            worked.append(stored)
            return True

    stored, nobodys = await hashed("open sesame"), passwords._nobodys()
    assert nobodys.split("$")[:4] == stored.split("$")[:4], "the same work"
    monkeypatch.setattr(passwords, "_hasher", Yes)
    assert not await matches("open sesame", None)
    assert await matches("open sesame", stored)
    assert worked == [nobodys, stored]


async def test_only_a_few_are_worked_on_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, done, now, most = threading.Lock(), threading.Event(), 0, 0

    def work(password: str, stored: str | None) -> bool:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == AT_ONCE:
                done.set()
        done.wait(30)
        with lock:
            now -= 1
        return False

    monkeypatch.setattr(passwords, "_matches", work)
    await asyncio.gather(*(matches("open sesame", None) for _ in range(6)))
    assert most == AT_ONCE
