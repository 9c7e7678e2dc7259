"""Nothing here is imported but by its public name."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PUBLIC = ("actors", "actors.testing", "transport", "transport.testing")
FILES = sorted(Path(__file__).parent.glob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a file imports of Holdfast: the module, and the name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from ((m, n) for m, n in names if m.split(".")[0] in ("actors", "transport"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_public_names_are_imported(path: Path) -> None:
    for module, name in imported(path):
        assert module in PUBLIC, f"{path.name} imports {module}"
        assert name in importlib.import_module(module).__all__, f"{module}.{name} is not public"
