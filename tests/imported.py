"""All of lastseen, and what it imports when it is called, imported once for what `tests.starting` starts."""

import gc
import importlib
import pkgutil

import lastseen
from lastseen.cli.main import _command
from tests import quick

LATER = "anyio._backends._asyncio", "psycopg", "rich.table", "telegram.ext", "uvloop"
"""What others import when they are called."""

ours = (module.name for module in pkgutil.walk_packages(lastseen.__path__, "lastseen."))
for name in (*LATER, *ours):
    if not name.startswith("lastseen.migrations.") and not name.endswith(".__main__"):
        importlib.import_module(name)
quick.migrate_once()
quick.compile_once()
quick.look_once()
_command()  # put together from all its words, which is most of what a short one takes
gc.freeze()  # no later collection looks at what is here, and so it stays one copy
