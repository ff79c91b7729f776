"""The tester is tested: notifiers that are wrong in the usual ways must fail the suite."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel, SecretStr

from lastseen.model import Message, Outcome, Rejected, Retry
from lastseen.notifiers.outcome import http_outcome
from lastseen.testing import NotifierSuite
from lastseen.testing.far_end import FarEnd

SECRET = "t0p-s3cret"


class Good:
    """As it should be; the broken ones differ in one thing."""

    class Config(BaseModel):
        url: str
        token: SecretStr

    max_batch = 50

    def __init__(self, config: Config, tools: Any) -> None:
        self.config, self.http = config, tools.http

    async def post(self, message: Message) -> httpx.Response:
        answer: httpx.Response = await self.http.post(
            self.config.url,
            headers={"X-Key": self.config.token.get_secret_value()},
            json={"title": message.title, "message": message.text},
        )
        return answer

    async def send(self, message: Message) -> Outcome | None:
        return http_outcome(await self.post(message))


class SwallowsErrors(Good):
    async def send(self, message: Message) -> None:
        try:
            await self.post(message)
        except httpx.HTTPError:
            return


class IgnoresTheStatus(Good):
    async def send(self, message: Message) -> None:
        await self.post(message)


class SendsTwice(Good):
    async def send(self, message: Message) -> Outcome:
        await self.post(message)
        return http_outcome(await self.post(message))


class SaysNothing(Good):
    async def send(self, message: Message) -> Outcome:
        return http_outcome(await self.http.post(self.config.url, content=b"something happened"))


class TellsOfTheFirstOnly(Good):
    async def send(self, message: Message) -> Outcome:
        return http_outcome(await self.http.post(self.config.url, json=message.events[0].snapshot["machine"]["name"]))


class OneCallEach(Good):
    async def send(self, message: Message) -> Outcome:
        for event in message.events:
            outcome = http_outcome(await self.http.post(self.config.url, json=event.snapshot["machine"]["name"]))
        return outcome


class ChokesOnOddNames(Good):
    async def send(self, message: Message) -> Outcome:
        message.text.encode("latin-1", "strict") if "Füchse" in message.text else None
        return await super().send(message)  # type: ignore[return-value]


class GivesUpAtOnce(Good):
    async def send(self, message: Message) -> Outcome:
        answer = await self.post(message)
        return http_outcome(answer) if answer.is_success else Rejected(f"{answer.status_code}")


class TakesMillisecondsForSeconds(Good):
    async def send(self, message: Message) -> Outcome:
        outcome = http_outcome(await self.post(message))
        if isinstance(outcome, Retry) and outcome.after is not None:
            return Retry(outcome.reason, outcome.scope, outcome.after * 1000)
        return outcome


class BlocksTheLoop(Good):
    async def send(self, message: Message) -> Outcome:
        answer = httpx.post(self.config.url, json=message.text, timeout=2.0, trust_env=False)
        return http_outcome(answer)


class SleepsOnAFailure(Good):
    async def send(self, message: Message) -> Outcome:
        try:
            return http_outcome(await self.post(message))
        except httpx.TimeoutException:
            time.sleep(1)  # the fault: nothing else runs meanwhile
            return Retry("timed out")


class KeepsALock(Good):
    def __init__(self, config: Any, tools: Any) -> None:
        super().__init__(config, tools)
        self.busy = False

    async def send(self, message: Message) -> Outcome:
        if self.busy:
            return Retry("busy")
        self.busy = True
        outcome = http_outcome(await self.post(message))
        self.busy = False
        return outcome


class QuotesTheAnswer(Good):
    async def send(self, message: Message) -> Outcome:
        answer = await self.post(message)
        return http_outcome(answer) if answer.is_success else Retry(answer.text)


class ShowsItsSecret(Good):
    def __repr__(self) -> str:
        return f"<ShowsItsSecret {self.config.token.get_secret_value()}>"


class LogsItsSecret(Good):
    async def send(self, message: Message) -> Outcome:
        logging.getLogger("gotify").warning("sending with %s", self.config.token.get_secret_value())
        return http_outcome(await self.post(message))


class PrintsItsSecret(Good):
    async def send(self, message: Message) -> Outcome:
        print("sending with", self.config.token.get_secret_value())
        return http_outcome(await self.post(message))


class AnswersWithAWord(Good):
    async def send(self, message: Message) -> Any:
        await self.post(message)
        return "ok"


def suite_of(notifier: type[Good]) -> NotifierSuite:
    class Suite(NotifierSuite):
        def make(self, server: FarEnd, tools: Any) -> Good:
            return notifier(Good.Config(url=server.url, token=SecretStr(SECRET)), tools)

    return Suite()


async def run(notifier: type[Good], test: str, give: Callable[[str], Any]) -> None:
    """One test of the suite, with one of its parameters at a time."""
    suite = suite_of(notifier)
    method = getattr(suite, test)
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    values = marks[0].args[1] if marks else [None]
    name = marks[0].args[0] if marks else None
    fixtures = {key: give(key) for key in inspect.signature(method).parameters if key in ("caplog", "capsys")}
    for value in values:
        with FarEnd(suite.ok()) as server:
            await method(server=server, **fixtures, **({} if name is None else {name: value}))


@pytest.mark.parametrize(
    ("notifier", "test"),
    [
        (SwallowsErrors, "test_a_reset_connection_is_tried_again"),
        (SwallowsErrors, "test_a_far_end_that_never_answers_is_left_in_time"),
        (IgnoresTheStatus, "test_an_error_of_the_far_end_is_tried_again"),
        (IgnoresTheStatus, "test_a_refusal_is_never_taken_for_delivered"),
        (IgnoresTheStatus, "test_a_redirect_is_not_taken_for_delivered"),
        (SendsTwice, "test_a_message_is_delivered_once_and_its_words_arrive"),
        (SaysNothing, "test_a_message_is_delivered_once_and_its_words_arrive"),
        (AnswersWithAWord, "test_a_message_is_delivered_once_and_its_words_arrive"),
        (TellsOfTheFirstOnly, "test_a_batch_is_one_call"),
        (OneCallEach, "test_a_batch_is_one_call"),
        (ChokesOnOddNames, "test_odd_and_huge_names_get_through"),
        (GivesUpAtOnce, "test_an_error_of_the_far_end_is_tried_again"),
        (GivesUpAtOnce, "test_too_many_requests_are_tried_again_when_the_far_end_says"),
        (TakesMillisecondsForSeconds, "test_too_many_requests_are_tried_again_when_the_far_end_says"),
        (BlocksTheLoop, "test_a_slow_far_end_does_not_stop_the_event_loop"),
        (SleepsOnAFailure, "test_a_far_end_that_never_answers_is_left_in_time"),
        (KeepsALock, "test_a_cancelled_send_leaves_nothing_behind"),
        (QuotesTheAnswer, "test_no_secret_is_in_an_outcome_a_repr_or_a_log"),
        (ShowsItsSecret, "test_no_secret_is_in_an_outcome_a_repr_or_a_log"),
        (LogsItsSecret, "test_no_secret_is_in_an_outcome_a_repr_or_a_log"),
        (PrintsItsSecret, "test_no_secret_is_in_an_outcome_a_repr_or_a_log"),
    ],
)
async def test_the_suite_finds_it(notifier: type[Good], test: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises((AssertionError, BaseExceptionGroup)) as caught:
        await run(notifier, test, request.getfixturevalue)
    assert "AssertionError" in repr(caught.value)
    await anyio.lowlevel.checkpoint()


class TestGoodPassesTheSuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Good:
        return Good(Good.Config(url=server.url, token=SecretStr(SECRET)), tools)


class Blocking(Good):
    """As good, by a client that waits without awaiting."""

    blocking = True

    def send(self, message: Message) -> Outcome:  # type: ignore[override]
        with httpx.Client(timeout=5, trust_env=False) as http:
            return http_outcome(
                http.post(
                    self.config.url,
                    headers={"X-Key": self.config.token.get_secret_value()},
                    json={"title": message.title, "message": message.text},
                )
            )


class TestABlockingNotifierPassesTheSuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Blocking:
        return Blocking(Blocking.Config(url=server.url, token=SecretStr(SECRET)), tools)
