"""What spares time in the tests and changes nothing that they look at."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from pathlib import Path

import certifi

END = "-----END CERTIFICATE-----\n"


def trust_few() -> Callable[[], None]:
    """Every client that is made reads all the authorities of the public Internet, 150 of them, and no test goes there:
    here it reads one. Whoever needs another names its file. To be called at the end: it removes that file."""
    file = tempfile.NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115  (open until the tests are over)
    file.write(Path(certifi.where()).read_text().partition(END)[0] + END)
    file.flush()
    certifi.where = lambda: file.name
    return file.close


def collect_less() -> None:
    """As the server does: what is there from the beginning, here all the tests, stays, and is not looked at again each
    time garbage is collected, which otherwise takes a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
