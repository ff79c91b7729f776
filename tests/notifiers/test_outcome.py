"""What an HTTP answer means, and what its reason may say."""

from __future__ import annotations

import base64
from datetime import timedelta

import httpx
import pytest

from lastseen.errors import ForbiddenAddress
from lastseen.model import Delivered, Rejected, Retry, Scope
from lastseen.notifiers.outcome import from_exception, http_outcome
from tests.notifiers.builders import at

URL = "https://pager.example/hooks/T0KEN-in-path?key=k3y-in-query"


def answer(status: int, body: str = "", request: httpx.Request | None = None, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, text=body, headers=names, request=request or httpx.Request("POST", URL))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_two_hundreds_are_delivered(status: int) -> None:
    assert http_outcome(answer(status)) == Delivered()


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 408, 429, 500, 502, 503, 599])
def test_trouble_of_the_channel_is_tried_again(status: int) -> None:
    assert http_outcome(answer(status)) == Retry(f"{status} from pager.example", Scope.CHANNEL, None)


@pytest.mark.parametrize("status", [400, 402, 405, 413, 415, 418, 422, 451])
def test_other_client_errors_refuse_this_message_only(status: int) -> None:
    assert http_outcome(answer(status)) == Rejected(f"{status} from pager.example", Scope.NOTIFICATION)


def test_gone_means_the_channel_is_gone() -> None:
    assert http_outcome(answer(410)) == Rejected("410 from pager.example", Scope.CHANNEL)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("99999", 3600),
        ("0", 0),
        ("-1", None),
        ("soon", None),
        ("1e3", None),
        ("Fri, 10 Oct 2025 03:00:30 GMT", 30),
        ("Fri, 10 Oct 2025 02:00:30 GMT", 0),
        ("Sat, 11 Oct 2025 02:00:30 GMT", 3600),
        ("Fri, 99 Oct 2025 02:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_up_to_an_hour(value: str, seconds: int | None) -> None:
    outcome = http_outcome(answer(429, retry_after=value), at("03:00"))
    assert isinstance(outcome, Retry)
    assert outcome.after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_date_is_compared_with_the_far_ends_own_clock() -> None:
    late = answer(503, retry_after="Fri, 10 Oct 2025 05:00:30 GMT", date="Fri, 10 Oct 2025 05:00:00 GMT")
    outcome = http_outcome(late, at("03:00"))
    assert isinstance(outcome, Retry)
    assert outcome.after == timedelta(seconds=30)


def reason(response: httpx.Response) -> str:
    outcome = http_outcome(response)
    assert isinstance(outcome, Retry | Rejected)
    return outcome.reason


def test_a_reason_says_a_little_of_what_the_far_end_said() -> None:
    assert reason(answer(422, '{"error":\n "priority too high"}')) == (
        '422 from pager.example: {"error": "priority too high"}'
    )
    assert len(reason(answer(422, "x y " * 1000))) < 160
    assert reason(answer(502, "<html><body>Bad Gateway</body></html>")) == "502 from pager.example"


def test_a_reason_repeats_nothing_that_was_sent() -> None:
    request = httpx.Request(
        "POST",
        URL,
        headers={"Authorization": "Bearer t0p-s3cret", "X-Key": "an0ther"},
        json={"auth": {"password": "hunter"}, "text": "hello"},
    )
    echo = f"cannot use {request.url} T0KEN-in-path k3y-in-query t0p-s3cret an0ther 'hunter' AKIA1234567890ABCDEFGH"
    said = reason(answer(500, echo, request))
    for secret in ("T0KEN", "k3y", "t0p", "an0ther", "hunter", "AKIA"):
        assert secret not in said


def test_nor_what_a_far_end_knows_without_being_sent_it() -> None:
    pair = {"authorization": "Basic " + base64.b64encode(b"ada:my: pass").decode()}
    request = httpx.Request("POST", URL, headers=pair)
    echo = answer(500, "ada's password is not 'my: pass' (my%3A%20pass), the key is not ours-alone", request)
    outcome = http_outcome(echo, hide=["ours-alone"])
    assert isinstance(outcome, Retry)
    assert outcome.reason == "500 from pager.example: ada's password is not '[…]' ([…]), the key is not […]"
    wrong = httpx.Request("POST", URL, headers={"authorization": "Basic no-base64"})
    assert reason(answer(500, "no", wrong)) == "500 from pager.example: no"


def test_a_forms_values_are_not_repeated_either() -> None:
    request = httpx.Request("POST", URL, data={"token": "p@ss word"})
    assert "p@ss" not in reason(answer(500, "bad token p@ss word", request))


def test_an_answer_that_was_not_read_has_a_reason_too() -> None:
    class Stream(httpx.AsyncByteStream):
        pass

    response = httpx.Response(500, stream=Stream(), request=httpx.Request("POST", URL))
    assert reason(response) == "500 from pager.example"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("x"), "cannot connect to pager.example: no connection"),
        (httpx.ConnectTimeout("x"), "cannot connect to pager.example: timed out"),
        (httpx.ReadTimeout("x"), "pager.example timed out"),
        (httpx.ReadError("x"), "pager.example broke the connection"),
        (httpx.RemoteProtocolError("x"), "pager.example broke the connection"),
        (httpx.UnsupportedProtocol("x"), "UnsupportedProtocol while sending to pager.example"),
    ],
)
def test_what_went_wrong_is_said_without_the_path(error: httpx.RequestError, words: str) -> None:
    error.request = httpx.Request("POST", URL)
    assert from_exception(error) == Retry(words, unreached=isinstance(error, httpx.ConnectTimeout))


def test_without_a_request_the_far_end_has_no_name() -> None:
    assert from_exception(httpx.ReadTimeout("x")).reason == "the far end timed out"
    assert from_exception(ValueError("t0p-s3cret")).reason == "ValueError while sending to the far end"


def test_the_systems_word_for_it_is_passed_on() -> None:
    error = httpx.ConnectError("x", request=httpx.Request("POST", URL))
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert from_exception(error).reason == "cannot connect to pager.example: connection refused"


def test_a_forbidden_address_is_told_as_it_is() -> None:
    assert from_exception(ForbiddenAddress("10.0.0.1: private")) == Retry("10.0.0.1: private", Scope.CHANNEL)
