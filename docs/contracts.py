"""Which test holds which line of docs/explanation/contracts.md.

A test names its lines at the beginning of its docstring, as in `O1, O2: the window …`; a wrong
version in `tests/zoo` names the class of bug that it stands for, as in `Stands for B6.`
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "explanation" / "contracts.md"

_LINE = re.compile(r"^\| \*\*([OHLWB]\d+)\*\* \|", re.MULTILINE)
_NUMBER = re.compile(r"[OHLWB]\d+")
# Invariants may stand among them; another page has those.
_NAMES = re.compile(r"(?:[OHLWBI]\d+(?:, )?)+(?=[:.])")
_STANDS_FOR = re.compile(r"^Stands for ([OHLWB0-9, ]+)\.$", re.MULTILINE)


def numbers() -> list[str]:
    """Return the numbers of all lines, as the page has them."""
    return _LINE.findall(PAGE.read_text(encoding="utf-8"))


def holders() -> Mapping[str, list[str]]:
    """Return for each number the tests that name it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, name in _in_tests(path):
            found[number].append(f"{path.relative_to(ROOT).as_posix()}: {name}")
    for path in sorted((ROOT / "tests" / "zoo").glob("*.diff")):
        for named in _STANDS_FOR.findall(path.read_text(encoding="utf-8")):
            for number in _NUMBER.findall(named):
                found[number].append(f"tests/zoo: {path.stem}")
    return found


def _in_tests(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            named = _NAMES.match(ast.get_docstring(node) or "")
            for number in _NUMBER.findall(named[0]) if named else ():
                yield number, node.name


def table() -> str:
    """Return each number with its tests, as a table."""
    found = holders()
    rows = [f"| {number} | {_told(found.get(number, []))} |" for number in numbers()]
    return "\n".join(["| line | held by |", "| --- | --- |", *rows]) + "\n"


def _told(tests: list[str]) -> str:
    return "<br>".join(f"`{test}`" for test in tests) or "—"
