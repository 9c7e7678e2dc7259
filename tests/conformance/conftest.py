"""One server for the tests of a module: `holdfast serve` in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import trio

from ..real_input.server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's server runs and leaves what it writes."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """A server that outlives the tests, and ends in order."""
    process = ServerProcess(folder, "tests.conformance.handlers:KIND")
    trio.run(process.start)
    try:
        yield process
        assert trio.run(process.stop) == 0
    finally:
        trio.run(process.kill)
