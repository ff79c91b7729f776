"""`lastseen status-pages` and `lastseen badges`: what everybody may look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lastseen.cli.options import UsageError, group_typed, naming, spread
from lastseen.cli.output import Json, answer, facts, print_json, table
from lastseen.cli.session import call

pages = typer.Typer(help="Status pages that everybody may look at, at /status/SLUG.", no_args_is_help=True)
badges = typer.Typer(help="Small pictures of how machines are, for other pages.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its name in the address: a-z 0-9 -")]
Title = Annotated[str | None, typer.Option(help="What stands above it; else the slug.")]
Text = Annotated[str | None, typer.Option(help='A few words below the title; "" for none.')]
Machines = Annotated[
    list[str] | None,
    typer.Option("--machine", metavar="SLUG[=ALIAS]", help="Show a machine, perhaps by another name. Several times."),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME[=ALIAS]", help="Show each machine of a group; with an alias, one line."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME[=ALIAS]", help="Show each machine with a tag; with an alias, one line."),
]
All = Annotated[bool, typer.Option("--all", help="Show each machine that there is.")]
IsPublic = Annotated[bool | None, typer.Option("--public/--off", help="Whether anybody sees it.", show_default=False)]
IsListed = Annotated[
    bool | None,
    typer.Option("--listed/--not-listed", help="Whether search engines may list it.", show_default=False),
]

FIELDS = {"slug": "SLUG", "lines": "--machine", "alias": "an alias"}


@dataclass(frozen=True)
class PageOptions:
    title: Title = None
    text: Text = None
    machine: Machines = None
    group: Groups = None
    tag: Tags = None
    every: All = False
    public: IsPublic = None
    listed: IsListed = None

    def said(self) -> dict[str, Any]:
        """What was said, as the verbs take it. Lines in the order: machines, groups, tags, all."""
        named = {"machine": self.machine, "group": self.group, "tag": self.tag}
        lines = [one for kind, given in named.items() for one in _named(kind, given or ())]
        lines += [{"all": True}] if self.every else []
        given: dict[str, Any] = {"title": self.title, "text": self.text, "lines": lines or None}
        given |= {"public": self.public, "listed": self.listed}
        return {name: value for name, value in given.items() if value is not None}


def _flag(field: str) -> str:
    """What is wrong with a line (`lines.0.group`) is wrong with its option."""
    name = field.rpartition(".")[2]
    return FIELDS.get(name, f"--{name}")


def _named(kind: str, given: Iterable[str]) -> list[dict[str, Any]]:
    parts = (text.partition("=") for text in given)
    return [{kind: name, "alias": alias or None} for name, _, alias in parts]


@pages.command()
@spread
def add(slug: Slug, given: PageOptions, as_json: Json = False) -> None:
    """Make a status page. Everybody who has its address sees it, unless it is --off."""
    from lastseen.manage import statuspages as verbs

    said = given.said()
    if "lines" not in said:
        raise UsageError("say what it shows: --machine, --group, --tag or --all")
    with naming(_flag):
        made = call(verbs.add, slug, said)
    answer(as_json, made, _where(made))


@pages.command("set")
@spread
def set_(
    slug: Slug,
    given: PageOptions,
    new_slug: Annotated[str | None, typer.Option("--slug", help="Another name in the address.")] = None,
    as_json: Json = False,
) -> None:
    """Change a status page; what is not named stays. What it shows is named as a whole."""
    from lastseen.manage import statuspages as verbs

    said = given.said() | ({} if new_slug is None else {"slug": new_slug})
    if not said:
        raise UsageError("say what to change")
    with naming(lambda field: "--slug" if field == "slug" else _flag(field)):
        changed = call(verbs.change, slug, said)
    answer(as_json, changed, _where(changed))


@pages.command("list")
def list_(as_json: Json = False) -> None:
    """List the status pages."""
    from lastseen.manage import statuspages as verbs

    found = call(verbs.listed)
    if as_json:
        print_json(found)
        return
    rows = [(one["slug"], one["title"], len(one["lines"]), _seen(one), one["owner"], one["url"]) for one in found]
    table(("slug", "title", "lines", "seen by", "owner", "address"), rows, "No status pages.")


@pages.command()
def show(slug: Slug, as_json: Json = False) -> None:
    """Show one: what it shows, and by which name."""
    from lastseen.manage import statuspages as verbs

    found = call(verbs.show, slug)
    if as_json:
        print_json(found)
        return
    facts(
        [
            ("page", f"{found['slug']} (id {found['id']})"),
            ("title", found["title"]),
            ("text", found["text"] or None),
            ("seen by", _seen(found)),
            ("search engines", "may list it" if found["listed"] else "are asked not to list it"),
            ("address", found["url"]),
            *(("shows", _about(line)) for line in found["lines"]),
        ]
    )


@pages.command()
def remove(slug: Slug, as_json: Json = False) -> None:
    """Remove a status page; its machines stay."""
    from lastseen.manage import statuspages as verbs

    gone = call(verbs.remove, slug)
    answer(as_json, gone, f"The status page {slug} is removed.")


def _seen(page: dict[str, Any]) -> str:
    return "everybody" if page["public"] else "nobody: it is off"


def _where(page: dict[str, Any]) -> str:
    at = page["url"] or f"/status/{page['slug']}"
    return f"{at} is seen by {_seen(page)}" if page["public"] else f"{page['slug']} is seen by {_seen(page)}"


def _about(line: dict[str, Any]) -> str:
    alias = f', as "{line["alias"]}"' if line.get("alias") else ""
    if line.get("all"):
        return f"all machines{alias}"
    kind, name = next((kind, line[kind]) for kind in ("machine", "group", "tag") if kind in line)
    return f"{kind} {name}{alias}" if name is not None else f"a {kind} that was removed{alias}"


@badges.command("add")
def add_badge(
    machine: Annotated[str | None, typer.Option(metavar="SLUG-OR-ID", help="Of one machine.")] = None,
    group: Annotated[str | None, typer.Option(help="Of the machines of a group.", callback=group_typed)] = None,
    tag: Annotated[str | None, typer.Option(help="Of the machines with a tag.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all machines.")] = False,
    shows: Annotated[
        str, typer.Option(metavar="status|uptime", help="How they are now, or how much of 30 days they were up.")
    ] = "status",
    label: Annotated[str, typer.Option(help="What stands on its left; else the name.")] = "",
    as_json: Json = False,
) -> None:
    """Make a badge and print its addresses. Whoever has one sees it."""
    from lastseen.manage import badges as verbs

    said = {"machine": machine, "group": group, "tag": tag, "all": every, "shows": shows, "label": label}
    with naming(_flag):
        made = call(verbs.add, said)
    at = made["svg_url"] or f"/badge/{made['key']}.svg"
    answer(as_json, made, f"Badge {made['id']}, for everybody who has its address:\n\n    {at}\n")


@badges.command("list")
def list_badges(as_json: Json = False) -> None:
    """List badges with their addresses."""
    from lastseen.manage import badges as verbs

    found = call(verbs.listed)
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], _about(one), one["shows"], one["label"], one["owner"], one["svg_url"] or f"/badge/{one['key']}.svg")
        for one in found
    ]
    table(("id", "of", "shows", "label", "owner", "address"), rows, "No badges.")


@badges.command("remove")
def remove_badge(
    badge: Annotated[int, typer.Argument(metavar="ID", min=1, help="Its id.")], as_json: Json = False
) -> None:
    """Remove a badge; its address shows nothing any more."""
    from lastseen.manage import badges as verbs

    gone = call(verbs.remove, badge)
    answer(as_json, gone, f"Badge {badge} is removed.")
