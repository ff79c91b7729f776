"""`lastseen` with lanes that are leased for less than half a minute: a run could otherwise wait for nothing else.

LANE_LEASE=6 python -c 'from tests.chaos.node import run; run()' serve --port 8383
"""

from __future__ import annotations

import os
from datetime import timedelta

from lastseen.cli import main
from lastseen.notifiers import dispatcher

PROGRAM = "from tests.chaos.node import run; run()"


def run() -> None:
    dispatcher.LEASE = timedelta(seconds=float(os.environ["LANE_LEASE"]))
    main()
