"""A checker that asks for some facts alone asks for all that it knows what to do with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.testing import checkers

FILES = sorted(Path(checkers.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_checker_asks_for_every_fact_that_it_matches(path: Path) -> None:
    tree = ast.parse(path.read_text())
    groups = {
        target.id: names_in(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(target := node.target, ast.Name)
        if node.value is not None
    }
    for loop in ast.walk(tree):
        if isinstance(loop, ast.For) and is_reading(loop.iter):
            asked = {name for each in names_in(loop.iter) for name in groups.get(each, {each})}
            assert matched_in(loop) <= asked, f"line {loop.lineno}"


def test_there_are_such_checkers() -> None:
    loops = [loop for path in FILES for loop in ast.walk(ast.parse(path.read_text()))]
    readings = [loop for loop in loops if isinstance(loop, ast.For) and is_reading(loop.iter)]
    assert len(readings) > 12
    assert any({"Opening", "Struck", "Drained"} <= matched_in(loop) for loop in readings)


def is_reading(node: ast.expr) -> bool:
    """Say whether records of some facts are asked for of a history."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "of"
        and ast.unparse(node.func.value) in ("history", "self._history")
    )


def names_in(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def matched_in(loop: ast.For) -> set[str]:
    """Return the types of the facts that the loop's own match has cases for."""
    return {
        ast.unparse(pattern)
        for statement in loop.body
        if isinstance(statement, ast.Match) and ast.unparse(statement.subject) == "record.fact"
        for case in statement.cases
        for pattern in types_of(case.pattern)
    }


def types_of(pattern: ast.pattern | None) -> Iterator[ast.expr]:
    match pattern:
        case ast.MatchClass(cls=cls):
            yield cls
        case ast.MatchAs(pattern=inner):
            yield from types_of(inner)
        case ast.MatchOr(patterns=patterns):
            for each in patterns:
                yield from types_of(each)
        case _:
            pass
