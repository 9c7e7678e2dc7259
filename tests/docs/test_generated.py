"""What was generated from the code is what the code says now; lists kept by hand are complete."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import actors
import actors.testing
import transport
import transport.testing
from actors.errors import ERROR_CODES, RETRYABLE_CODES
from transport.wire.close_codes import CloseCode, should_reconnect

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


def load_generator() -> ModuleType:
    """Import `docs/generate.py`, which is no package's."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


@pytest.mark.parametrize("name", generate.GENERATED)
def test_committed_file_is_what_the_generator_makes(name: str) -> None:
    made = generate.GENERATED[name]()
    assert (REFERENCE / name).read_text(encoding="utf-8") == made, "run python docs/generate.py"


def test_nothing_generated_is_left_over() -> None:
    there = {path.name for path in REFERENCE.glob("*.generated.md")}
    assert there <= set(generate.GENERATED)


@pytest.mark.parametrize("package", [actors, transport], ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference_once(package: ModuleType) -> None:
    text = (REFERENCE / "api.md").read_text()
    named = re.findall(
        rf"^\.\. auto\w+:: {package.__name__}\.(\w+)(?:\(.*\))?$", text, re.MULTILINE
    )
    assert sorted(named) == sorted(package.__all__)


@pytest.mark.parametrize("package", [actors.testing, transport.testing], ids=lambda p: p.__name__)
def test_every_public_name_of_the_kit_is_in_its_reference_once(package: ModuleType) -> None:
    text = (REFERENCE / "testing.md").read_text()
    named = re.findall(rf"^\.\. \w+:: {package.__name__}\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(package.__all__)


def rows_of(heading: str) -> dict[str, str]:
    """Return the rows of the table under a heading of the errors page, by their first cell."""
    text = (REFERENCE / "errors.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))


def test_errors_page_has_every_code_under_its_sort() -> None:
    retryable, final = rows_of("Retryable codes"), rows_of("Final codes")
    assert set(retryable) == RETRYABLE_CODES
    assert set(final) == ERROR_CODES - RETRYABLE_CODES


def test_errors_page_has_every_close_code_under_its_sort() -> None:
    codes = {str(int(code)): should_reconnect(code) for code in CloseCode}
    assert set(rows_of("Close codes after which to come back")) == {c for c in codes if codes[c]}
    assert set(rows_of("Close codes after which not to")) == {c for c in codes if not codes[c]}


def test_every_decision_is_in_the_index() -> None:
    pages = {path.name for path in (DOCS / "adr").glob("*.md")} - {"index.md"}
    assert pages
    assert all(re.fullmatch(r"0\d{3}-[a-z0-9-]+\.md", page) for page in pages)
    assert re.search(r":glob:\n\n0\*\n", (DOCS / "adr" / "index.md").read_text())


def test_files_that_hold_an_invariant_cite_it() -> None:
    text = (DOCS / "explanation" / "invariants.md").read_text()
    rows = re.findall(r"^\| (I\d+) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == 20
    for number, cell in rows:
        for path in re.findall(r"`([\w/.]+)`", cell):
            assert re.search(rf"\b{number}\b", (ROOT / path).read_text()), f"{path}: {number}"
