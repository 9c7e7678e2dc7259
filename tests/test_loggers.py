"""Whoever runs this finds what it logs in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.testing.quiet_log import LOGGERS

ROOT = Path(__file__).resolve().parents[1]
MODULES = [*(ROOT / "actors").rglob("*.py"), *(ROOT / "transport").rglob("*.py")]
MAKING = [path for path in sorted(MODULES) if "getLogger(" in path.read_text()]


def loggers_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the names that a module gives to its loggers: in it, and in the log."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and "getLogger(" in ast.unparse(node.value):
            yield ast.unparse(node.targets[0]), ast.literal_eval(node.value.args[0])  # type: ignore[attr-defined]  # the call that was looked for


@pytest.mark.parametrize("path", MAKING, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_logs_below_the_name_of_the_product(path: Path) -> None:
    for variable, name in loggers_of(path):
        assert variable == "log"
        assert name in LOGGERS


def test_each_logger_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "how-to" / "production.md").read_text()
    made = {name for path in MAKING for _, name in loggers_of(path)}
    assert made == set(LOGGERS)
    assert all(f"| `{name}` |" in guide for name in LOGGERS)
