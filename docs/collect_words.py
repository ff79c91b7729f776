"""Collect the texts of the pages for translators: what `pybabel extract` finds, and what the forms of channels ask.

python docs/collect_words.py [FILE.pot]

Needs Babel, which is installed with what the tests need. How a translation is made of it: docs/translating.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import write_po

sys.path.insert(0, str(Path(__file__).parents[1]))

from lastseen.manage import channel_setup
from lastseen.web.dashboard.schema_form import fields_of

ROOT = Path(__file__).parents[1]
KEYWORDS = {**DEFAULT_KEYWORDS, **parse_keywords(["say", "say_many:1,2"])}


def collected() -> Catalog:
    """All of them, by where they stand."""
    found = Catalog(project="lastseen", charset="utf-8", fuzzy=False)
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    texts = extract_from_dir(str(ROOT), methods, options, keywords=KEYWORDS)
    for path, line, text, notes, context in texts:
        found.add(text, None, [(path, line)], auto_comments=notes, context=context)
    for about in channel_setup.types():
        place = [(f"channel {about['type']}", 1)]
        schema = about["schema"] or {}
        for text in (about["summary"], schema.get("description", "")):
            if text:
                found.add(text, None, place)
        for field in fields_of(schema):
            for words in (field.label, field.hint):
                if words:
                    found.add(words[:], None, place)
    return found


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "lastseen.pot")
    texts = collected()
    with path.open("wb") as file:
        write_po(file, texts, width=120, sort_output=True)
    sys.stdout.write(f"{path}: {len(texts)} texts\n")


if __name__ == "__main__":
    main()
