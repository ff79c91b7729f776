"""`lastseen status-pages` and `lastseen badges`."""

from __future__ import annotations

import httpx

from tests.cli.conftest import Cli, beat


def test_a_page_and_a_badge_are_made_and_seen(cli: Cli) -> None:
    with cli.serving() as url:
        key = cli.json("machines", "add", "db-01", "--group", "web")["key"]
        assert beat(url, key) == 204
        made = cli.json("status-pages", "add", "shop", "--title", "Shop", "--group", "web=Till", "--machine", "db-01")
        badge = cli.json("badges", "add", "--machine", "db-01", "--label", "database")
        page, picture = httpx.get(f"{url}/status/shop"), httpx.get(f"{url}/badge/{badge['key']}.svg")
        shown = cli("status-pages", "show", "shop").out
    assert page.status_code == picture.status_code == 200
    assert "Till" in page.text
    assert ">database<" in picture.text
    assert [line.get("machine") or line["group"] for line in made["lines"]] == ["db-01", "web"]
    assert 'group web, as "Till"' in shown


def test_pages_are_changed_listed_and_removed(cli: Cli) -> None:
    cli.json("status-pages", "add", "shop", "--all", "--text", "hello")
    assert cli.json("status-pages", "set", "shop", "--off", "--slug", "store", "--text", "")["public"] is False
    assert "nobody: it is off" in cli("status-pages", "list").out
    (page,) = cli.json("status-pages", "list")
    assert (page["slug"], page["title"], page["text"], page["lines"]) == (
        "store",
        "shop",
        "",
        [{"all": True, "alias": None}],
    )
    assert cli.json("status-pages", "remove", "store")["removed"] is True
    assert cli("status-pages", "list").out == "No status pages.\n"


def test_badges_are_listed_and_removed(cli: Cli) -> None:
    made = cli.json("badges", "add", "--all", "--shows", "uptime")
    assert f"/badge/{made['key']}.svg" in cli("badges", "list").out
    assert cli.json("badges", "remove", str(made["id"]))["removed"] is True
    assert cli("badges", "list").out == "No badges.\n"


def test_what_is_wrong_is_called_by_its_option(cli: Cli) -> None:
    for arguments, word in (
        (["status-pages", "add", "A B", "--all"], "SLUG"),
        (["status-pages", "add", "a", "--machine", "nobody"], "--machine"),
        (["status-pages", "set", "nobody", "--title", "x"], "nobody"),
        (["badges", "add"], "--machine"),
        (["badges", "add", "--all", "--shows", "mood"], "--shows"),
        (["badges", "remove", "7"], "7"),
    ):
        done = cli(*arguments)
        assert (done.code, done.out) == (1, ""), arguments
        assert word in done.err
    assert cli("status-pages", "add", "a").code == 2
    assert cli("status-pages", "set", "a").code == 2
