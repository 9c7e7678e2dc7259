"""Public names say what they do, public coroutines what they raise and what cancelling does."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actors
import transport

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "actors").rglob("*.py"), *(ROOT / "transport").rglob("*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the module, and its public classes, functions and methods."""
    yield tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    inner
                    for inner in node.body
                    if isinstance(inner, Function) and not inner.name.startswith("_")
                )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if not tree.body:
        return
    bare = [
        getattr(node, "name", path.name)
        for node in public_nodes(tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function) and not ast.get_docstring(node)
    ]
    assert not bare


def exported_coroutines() -> Iterator[tuple[str, Any]]:
    """Yield the coroutines that users call, by name."""
    for package in (actors, transport):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.iscoroutinefunction(thing):
                yield f"{package.__name__}.{name}", thing
            elif inspect.isclass(thing):
                yield from (
                    (f"{package.__name__}.{name}.{method}", function)
                    for method, function in inspect.getmembers(thing, inspect.iscoroutinefunction)
                    if not method.startswith("_") and function.__qualname__.startswith(name)
                )


COROUTINES = dict(exported_coroutines())


@pytest.mark.parametrize("name", COROUTINES)
def test_coroutines_say_what_they_raise_and_what_cancelling_does(name: str) -> None:
    text = inspect.getdoc(COROUTINES[name]) or ""
    assert "aise" in text, "says nothing of what it raises"
    assert "ancel" in text, "says nothing of cancellation"
