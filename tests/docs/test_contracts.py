"""Every line of the contracts is held by a test, and the examples are what they are said to be."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import actors
import transport

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
# Lines with something on them: what goes on one page of a program stays readable as one.
LINES = 200


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
    if number not in HOLDERS and (number[0] in "OL" or number == "B18"):
        pytest.skip("its program is not there yet")
    assert HOLDERS.get(number)


def test_nobody_names_a_line_that_is_not_there() -> None:
    assert set(HOLDERS) <= set(NUMBERS)


def programs() -> dict[str, list[Path]]:
    """Return each example with the files of its own: one, or those of a folder."""
    found = {path.stem: [path] for path in EXAMPLES.glob("*.py")}
    folders = (path for path in EXAMPLES.iterdir() if path.is_dir())
    for folder in folders:
        if files := sorted(folder.rglob("*.py")):
            found[folder.name] = files
    return found


PROGRAMS = programs()


def imports_of(path: Path) -> list[tuple[str, str]]:
    """Return (module, name) of everything that a file imports; the name is empty for a module."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(each.name, "") for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", each.name) for each in node.names]
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_uses_public_names_only(name: str) -> None:
    public = {package.__name__: set(package.__all__) for package in (actors, transport)}
    for path in PROGRAMS[name]:
        for module, what in imports_of(path):
            top = module.partition(".")[0]
            if top in public:
                assert module == top, f"{path.name} reaches into {module}"
                assert what in public[top], f"{path.name} imports {what} of {module}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_takes_nothing_private_of_what_it_is_given(name: str) -> None:
    for path in PROGRAMS[name]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                assert own or node.attr.startswith("__"), f"{path.name}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_is_short(name: str) -> None:
    lines = [line for path in PROGRAMS[name] for line in path.read_text("utf-8").splitlines()]
    assert sum(1 for line in lines if line.strip()) <= LINES


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_has_a_page_with_its_command(name: str) -> None:
    page = (EXAMPLES / f"{name}.md").read_text(encoding="utf-8")
    assert f"\npython docs/examples/{name}" in page
    assert f"\n{name}\n" in (EXAMPLES / "index.md").read_text(encoding="utf-8")
