"""Every line of the contracts is held by a test, and the examples are what they are said to be."""

from __future__ import annotations

import ast
import importlib.util
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import actors
import transport

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
# Lines as they are counted by `wc -l`: of a program in all its own files, and of a file it shares.
LINES, SHARED_LINES = 215, 40


def load_contracts() -> ModuleType:
    """Import `docs/contracts.py`, which is no package's."""
    spec = importlib.util.spec_from_file_location("docs_contracts", ROOT / "docs" / "contracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


contracts = load_contracts()
NUMBERS = contracts.numbers()
HOLDERS = contracts.holders()


def test_the_numbers_go_up_without_a_gap() -> None:
    for letter, count in {"O": 13, "H": 12, "L": 16, "W": 15, "B": 27}.items():
        assert [n for n in NUMBERS if n[0] == letter] == [f"{letter}{k + 1}" for k in range(count)]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_line_has_a_test_that_names_it(number: str) -> None:
    assert HOLDERS.get(number)


def test_nobody_names_a_line_that_is_not_there() -> None:
    assert set(HOLDERS) <= set(NUMBERS)


def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def beside(path: Path) -> set[Path]:
    """Return the files of the folder that a file imports."""
    imported = [n for n in nodes_of(path) if isinstance(n, ast.Import | ast.ImportFrom)]
    named = [each.name for n in imported if isinstance(n, ast.Import) for each in n.names]
    named += [n.module or "" for n in imported if isinstance(n, ast.ImportFrom)]
    return {EXAMPLES / f"{name}.py" for name in named} & set(EXAMPLES.glob("*.py"))


def programs() -> dict[str, list[Path]]:
    """Return each example, which has a page, with the files of its own: those it does not share."""
    mains = [page.with_suffix(".py") for page in EXAMPLES.glob("*.md") if page.stem != "index"]
    uses = {main: beside(main) for main in mains}
    shared = Counter(path for used in uses.values() for path in used)
    return {
        main.stem: [main, *(path for path in used if shared[path] == 1)]
        for main, used in uses.items()
    }


PROGRAMS = programs()
FILES = sorted(EXAMPLES.rglob("*.py"))
SHARED = sorted(set(FILES) - {path for files in PROGRAMS.values() for path in files})
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def taken_from_us(path: Path) -> list[tuple[str, str]]:
    """Return (module, name) of all that a file takes from the packages; no name for the module."""
    found: list[tuple[str, str]] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += [(each.name, "") for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", each.name) for each in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [(node.value.id, node.attr)]
    return [(module, name) for module, name in found if module.partition(".")[0] in PUBLIC]


PUBLIC = {package.__name__: set(package.__all__) for package in (actors, transport)}


@EACH_FILE
def test_an_example_uses_public_names_only(path: Path) -> None:
    for module, what in taken_from_us(path):
        assert module in PUBLIC, f"reaches into {module}"
        assert what in {"", *PUBLIC[module]}, f"uses {what} of {module}"


@EACH_FILE
def test_an_example_takes_nothing_private_of_what_it_is_given(path: Path) -> None:
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            assert own or node.attr.startswith("__"), ast.unparse(node)


def test_there_are_the_four_and_nothing_that_belongs_to_none() -> None:
    assert {"chat", "history", "tone", "transcription"} <= set(PROGRAMS)
    assert set(FILES) == {path for name in PROGRAMS for path in PROGRAMS[name]} | {
        path for name in PROGRAMS for path in beside(EXAMPLES / f"{name}.py")
    }


def lines_of(paths: Iterable[Path]) -> int:
    return sum(len(path.read_text("utf-8").splitlines()) for path in paths)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_is_short(name: str) -> None:
    assert lines_of(PROGRAMS[name]) <= LINES


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.name)
def test_what_examples_share_is_shorter_still(path: Path) -> None:
    assert lines_of([path]) <= SHARED_LINES


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_has_a_page_with_its_command(name: str) -> None:
    page = (EXAMPLES / f"{name}.md").read_text(encoding="utf-8")
    assert f"\npython docs/examples/{name}" in page
    assert f"\n{name}\n" in (EXAMPLES / "index.md").read_text(encoding="utf-8")
