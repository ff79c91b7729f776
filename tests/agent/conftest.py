from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.servers import KEY


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path
