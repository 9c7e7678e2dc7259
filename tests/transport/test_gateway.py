"""What the network knows of a runtime; import-linter sees modules, and this sees attributes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import transport
from actors.gateway import Gateway
from actors.runtime import Runtime

MODULES = sorted(Path(transport.__file__).parent.rglob("*.py"))
# What is the runtime's own, and reached from within `actors` alone.
INTERNALS = {"registry", "around"}


def test_the_internals_are_those_of_the_runtime() -> None:
    """Otherwise the next test would look for names that nothing has."""
    assert hasattr(Runtime, "registry")
    assert not hasattr(Gateway, "registry")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_threads_are_reached_by_the_gateway_alone(path: Path) -> None:
    attributes = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute))
    assert not [(node.lineno, node.attr) for node in attributes if node.attr in INTERNALS]
