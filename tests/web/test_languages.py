"""Which language a page is in, and what becomes of a text that is said in it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from markupsafe import Markup, escape

from lastseen.errors import ConfigurationError, Conflict, InvalidInput, UnknownMachine
from lastseen.web.languages import Languages
from lastseen.words import ENGLISH, Language, Words, listed, plain, say, say_many, speaking
from tests.web.site import a_site

GERMAN = {
    "no machine {machine!r}": "keine Maschine {machine!r}",
    ("1 outage", "{n} outages"): ("ein Ausfall", "{n:,} Ausfälle"),
    "{span} in all": "insgesamt {span}",
    "broken {name}": "kaputt {nome}",
    "Log in": "Anmelden",
    "lasting": "<b>dauert</b>",
}


def catalogue(root: Path, tag: str, texts: dict[object, object], name: str = "lastseen") -> None:
    made = Catalog(locale="de" if tag == "de" else None, charset="utf-8", fuzzy=False)
    for text, said in texts.items():
        made.add(text, said)  # type: ignore[arg-type]
    path = root / tag / "LC_MESSAGES" / f"{name}.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_mo(file, made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("locale")
    catalogue(root, "de", dict(GERMAN))
    catalogue(root, "pt_BR", {"Log in": "Entrar"})
    return root


@pytest.fixture(scope="module")
def german(folder: Path) -> Language:
    return Languages(folder).best("de")


@pytest.mark.parametrize(
    ("liked", "tag"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9", "de"),
        ("DE-at-1996", "de"),
        ("fr, de;q=0.5", "de"),
        ("en, de;q=0.9", "en"),
        ("de;q=0.3, en;q=0.8", "en"),
        ("de;q=0", "en"),
        ("*, de;q=0.1", "en"),
        ("pt-BR", "pt-BR"),
        ("pt", "en"),
        ("", "en"),
        ("../../etc, ;;;q=, de;q=x", "en"),
        ("x" * 100_000 + ", de", "en"),
    ],
)
def test_it_is_the_one_that_the_browser_likes_best_of_those_there_are(folder: Path, liked: str, tag: str) -> None:
    assert Languages(folder).best(liked).tag == tag


def test_without_a_catalogue_all_is_english() -> None:
    assert Languages().best("de") is ENGLISH


def test_what_is_no_catalogue_stops_the_start_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "de" / "LC_MESSAGES" / "lastseen.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not that")
    with pytest.raises(ConfigurationError, match=r"lastseen\.mo is no catalogue"):
        Languages(tmp_path)
    with pytest.raises(ConfigurationError, match="LASTSEEN_LOCALE_DIR: there is no folder"):
        Languages(tmp_path / "nowhere")


def test_several_files_of_a_language_are_one_catalogue(tmp_path: Path) -> None:
    catalogue(tmp_path, "de", {"one": "eins"}, "a")
    catalogue(tmp_path, "de", {"two": "zwei"}, "b")
    found = Languages(tmp_path).best("de")
    assert [say(text).within(found) for text in ("one", "two", "three")] == ["eins", "zwei", "three"]


def test_a_text_is_english_for_whoever_takes_it_for_text(german: Language) -> None:
    with speaking(german):
        text = say("no machine {machine!r}", machine="db")
        assert text == "no machine 'db'"
        assert f"{text}!" == "no machine 'db'!"
        assert type(f"{text}") is str
        assert json.loads(json.dumps({"a": text})) == {"a": "no machine 'db'"}
        assert msgspec.json.encode(text, enc_hook=plain) == b"\"no machine 'db'\""


def test_it_is_said_in_the_language_of_the_page_where_it_is_put_into_one(german: Language) -> None:
    text = say("no machine {machine!r}", machine="<db>")
    assert escape(text) == "no machine &#x27;&lt;db&gt;&#x27;"
    with speaking(german):
        assert escape(text) == "keine Maschine &#x27;&lt;db&gt;&#x27;"
        assert Markup("<p>{}</p>").format(text) == "<p>keine Maschine &#x27;&lt;db&gt;&#x27;</p>"
        assert escape(say("lasting")) == "&lt;b&gt;dauert&lt;/b&gt;", "a translator writes no tags"


def test_texts_within_texts_are_said_in_it_too(german: Language) -> None:
    many = say("{span} in all", span=say_many("1 outage", "{n} outages", 1200))
    assert (many, many.within(german)) == ("1200 outages in all", "insgesamt 1,200 Ausfälle")
    assert say_many("1 outage", "{n} outages", 1).within(german) == "ein Ausfall"
    assert listed([many, "as typed"]).within(german) == "insgesamt 1,200 Ausfälle, as typed"
    assert listed([]) == ""


def test_a_slip_of_a_translator_is_shown_in_english(german: Language) -> None:
    assert say("broken {name}", name="x").within(german) == "broken x"


def test_an_error_keeps_what_it_was_made_from(german: Language) -> None:
    for error in (UnknownMachine("db"), Conflict(say("no machine {machine!r}", machine="db"))):
        text = str(error)
        assert isinstance(text, Words)
        assert text.within(german) == "keine Maschine 'db'"
    whole = str(InvalidInput(say("no machine {machine!r}", machine="db"), "machine"))
    assert isinstance(whole, Words)
    assert (whole, whole.within(german)) == ("machine: no machine 'db'", "machine: keine Maschine 'db'")


async def test_a_page_is_in_it_and_says_so(folder: Path, tmp_path: Path) -> None:
    async with a_site(tmp_path, locale_dir=str(folder)) as site, site.browser() as browser:
        german = await browser.get("/login", headers={"Accept-Language": "de-AT"})
        english = await browser.get("/login", headers={"Accept-Language": "en"})
    assert '<html lang="de">' in german.text
    assert "Anmelden" in german.text
    assert '<html lang="en">' in english.text
    assert "Anmelden" not in english.text
    assert "Accept-Language" in english.headers["vary"]
