"""Which requests a page of another site may have made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.ingest.asgi import Refused
from lastseen.values import networks
from lastseen.web.csrf import SAFE, made, must_be_ours, must_not_be_foreign
from lastseen.web.front import Front, host_in

OURS = ("status.example", "192.0.2.7:8383", "[2001:db8::1]:8383", "localhost:8383")
PUBLIC = "https://status.example"

hosts = st.sampled_from(
    [*OURS, "evil.example", "status.example.evil.example", "xstatus.example", "status.example:8443"]
)
sites = st.sampled_from(["same-origin", "none", "same-site", "cross-site", "", "Same-Origin", "same-origin, none"])
origins = st.one_of(
    st.just("null"),
    st.text(max_size=40),
    st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "file", ""]), hosts, st.sampled_from(["", ":80"])),
    st.builds("https://{}@{}".format, hosts, hosts),
)


def request(method: str = "POST", peer: str = "198.51.100.9", **headers: Any) -> dict[str, Any]:
    """Of each header one line for each value; `_` is `-`."""
    lines = [
        (name.replace("_", "-").encode(), value.encode("utf-8"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return {"type": "http", "method": method, "scheme": "http", "client": (peer, 4711), "headers": lines}


@given(st.lists(sites, max_size=2), st.lists(origins, max_size=2), st.sampled_from(OURS))
def test_a_request_is_ours_only_by_its_one_site_or_without_any_by_its_one_origin(
    said: list[str], origin: list[str], host: str
) -> None:
    here = made(said, origin, {host}) == "here"
    if said:
        assert here == (said in (["same-origin"], ["none"]))
    elif here:
        assert len(origin) == 1
        assert origin[0].lower().removesuffix(":80") in (f"http://{host}", f"https://{host}")


@given(st.sampled_from(sorted(SAFE)), sites, origins)
def test_what_changes_nothing_may_come_from_anywhere(method: str, site: str, origin: str) -> None:
    scope = request(method, sec_fetch_site=site, origin=origin, host="status.example")
    must_be_ours(scope, Front())
    must_not_be_foreign(scope, Front())


@given(st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "X"]))
def test_a_method_that_may_change_something_wants_a_sign_that_it_is_ours(method: str) -> None:
    with pytest.raises(Refused):
        must_be_ours(request(method, host="status.example"), Front())
    must_be_ours(request(method, host="status.example", sec_fetch_site="same-origin"), Front())
    must_be_ours(request(method, host="status.example", origin="http://status.example"), Front())


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "https://status.example.evil.example"])
def test_the_origin_of_another_site_is_refused(origin: str) -> None:
    with pytest.raises(Refused) as refused:
        must_be_ours(request(host="status.example", origin=origin), Front(public_url=PUBLIC))
    assert refused.value.problem.status == 403


def test_the_word_of_the_browser_on_the_site_counts_more_than_an_origin() -> None:
    with pytest.raises(Refused):
        must_be_ours(request(host="a.example", origin="http://a.example", sec_fetch_site="cross-site"), Front())
    must_be_ours(request(host="inner:8383", origin="https://a.example", sec_fetch_site="same-origin"), Front())


def test_behind_a_proxy_the_public_address_and_what_a_trusted_one_forwards_are_ours() -> None:
    front = Front(networks("10.0.0.0/8"), PUBLIC)
    must_be_ours(request(host="inner:8383", origin=PUBLIC), front)
    must_be_ours(request(peer="10.1.1.1", host="i", x_forwarded_host="b.example", origin="https://b.example"), front)
    with pytest.raises(Refused):
        must_be_ours(request(host="i", x_forwarded_host="b.example", origin="https://b.example"), front)


def test_a_form_with_a_token_of_its_own_may_come_without_a_sign_but_not_from_another_site() -> None:
    for said in ({}, {"origin": "null"}, {"origin": "http://a.example"}, {"sec_fetch_site": "same-origin"}):
        must_not_be_foreign(request(host="a.example", **said), Front(), from_nowhere=True)
    for said in (
        {"origin": "http://evil.example"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": ["null", "http://a.example"]},
    ):
        with pytest.raises(Refused):
            must_not_be_foreign(request(host="a.example", **said), Front(), from_nowhere=True)


@given(st.text(max_size=60))
def test_whatever_is_said_to_be_an_origin_is_read_without_trouble(text: str) -> None:
    assert isinstance(host_in(text), str)


def test_an_empty_origin_is_no_host_of_ours() -> None:
    assert made([], [""], Front().hosts(request())) == "elsewhere"
    assert made([], ["http://"], {""}) == "here", "so an empty host must never be among ours"
    assert "" not in Front(public_url="http://").hosts(request(host=""))


@pytest.mark.parametrize(
    ("peer", "said", "secure"),
    [
        ("10.1.1.1", ["https"], True),
        ("10.1.1.1", ["http, https"], True),
        ("10.1.1.1", ["http"], False),
        ("10.1.1.1", ["https", "http"], False),
        ("198.51.100.9", ["https"], False),
    ],
)
def test_tls_is_believed_of_trusted_proxies_alone(peer: str, said: list[str], secure: bool) -> None:
    assert Front(networks("10.0.0.0/8")).secure(request(peer=peer, x_forwarded_proto=said)) is secure
    assert Front().secure(request(peer=peer, x_forwarded_proto=said)) is False
