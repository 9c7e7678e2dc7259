"""The examples use what users have: public names of `actors` and `transport`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import actors
import transport

PROGRAMS = sorted((Path(__file__).resolve().parents[2] / "docs" / "examples").glob("*.py"))
PUBLIC = {"actors": set(actors.__all__), "transport": set(transport.__all__)}


def used_names(tree: ast.AST) -> set[tuple[str, str]]:
    """Every (module, name) of ours that a program uses."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PUBLIC:
            found |= {(str(node.module), alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(a.name, a.name) for a in node.names if a.name.split(".")[0] in PUBLIC}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {(node.value.id, node.attr)} if node.value.id in PUBLIC else set()
    return {(module, name) for module, name in found if module != name or module not in PUBLIC}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_uses_public_names_only(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    tree = ast.parse(text)
    private = [each for each in used_names(tree) if each[1] not in PUBLIC.get(each[0], ())]
    assert private == []


def test_a_private_name_is_found() -> None:
    tree = ast.parse("from actors.core import x\nfrom actors import y\nimport transport.wire\n")
    assert used_names(tree) == {
        ("actors.core", "x"),
        ("actors", "y"),
        ("transport.wire", "transport.wire"),
    }
