"""A server to follow, and a command to follow it with."""

from tests.cli.conftest import cli, fresh
from tests.server.conftest import served

__all__ = ["cli", "fresh", "served"]
