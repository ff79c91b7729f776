"""Runs with real servers that break take a minute each, and want a computer that is not busy: `make chaos` has them."""

import os

collect_ignore = [] if os.environ.get("LASTSEEN_TEST_LIVES") else ["test_chaos.py"]
