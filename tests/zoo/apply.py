"""Wrong versions of the runtime, as diffs against the code that is shipped.

Each file says in a sentence what is wrong, and which invariant has to catch it. A diff has to fit
the code as it stands: where that moved on it does not apply, and wants a look.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from types import CodeType, ModuleType

ZOO = Path(__file__).parent
ROOT = ZOO.parent.parent


# How the names of modules begin that a wrong version may be in, or that may use it.
_OURS = ("actors", "transport", "tests.")


class DoesNotApply(Exception):
    """The code that a diff is against has moved on."""


@frozen
class Hunk:
    """Lines to be found in a file, and what stands there in the wrong version."""

    path: str
    old: str
    new: str


@frozen
class Mutant:
    """A wrong version.

    Args:
        name: the file's name without its ending.
        wrong: what is wrong, in a sentence.
        invariant: the one that has to catch it.
        shortest: the steps of the shortest story that is known to show it; None where none is.
        changed: how many lines the diff changes.
        hunks: how the shipped code becomes it.
    """

    name: str
    wrong: str
    invariant: str
    shortest: int | None
    changed: int
    hunks: tuple[Hunk, ...]


def names() -> list[str]:
    """Return the names of all wrong versions."""
    return sorted(path.stem for path in ZOO.glob("*.diff"))


def read_mutant(name: str) -> Mutant:
    """Read one: by its name, or the path of any diff.

    Raises:
        ValueError: where the file is none.
    """
    path = Path(name) if name.endswith(".diff") else ZOO / f"{name}.diff"
    head, _, diff = path.read_text().partition("\n--- ")
    caught = re.search(r"^Caught by (I\d+)\.$", head, re.MULTILINE)
    if caught is None:
        raise ValueError(f"{name} does not say what catches it")
    shortest = re.search(r"^Shortest known: (\d+) steps?\.$", head, re.MULTILINE)
    hunks = tuple(_hunks(f"--- {diff}"))
    return Mutant(
        path.stem,
        head.splitlines()[0],
        caught[1],
        int(shortest[1]) if shortest is not None else None,
        len(re.findall(r"^[-+](?!-- a/|\+\+ b/)", diff, re.MULTILINE)),
        hunks,
    )


def _hunks(diff: str) -> Iterator[Hunk]:
    for part in re.split(r"^(?=--- )", diff, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        if len(lines) < 2:
            continue
        path = lines[1].removeprefix("+++ b/").strip()
        for body in re.split(r"^@@.*\n", "".join(lines[2:]), flags=re.MULTILINE)[1:]:
            yield Hunk(path, _side(body, "-"), _side(body, "+"))


def _side(body: str, mark: str) -> str:
    lines = body.splitlines(keepends=True)
    return "".join(line[1:] or "\n" for line in lines if line[:1] in (" ", mark, "\n"))


def wrong_texts(mutant: Mutant, root: Path = ROOT) -> Mapping[str, str]:
    """Return the files that differ in the wrong version, by their paths below `root`.

    Raises:
        DoesNotApply: where the lines of a hunk do not stand there exactly once.
    """
    texts: dict[str, str] = {}
    for hunk in mutant.hunks:
        text = texts.get(hunk.path) or (root / hunk.path).read_text()
        if text.count(hunk.old) != 1:
            raise DoesNotApply(f"{mutant.name}: {hunk.path} has moved on")
        texts[hunk.path] = text.replace(hunk.old, hunk.new)
    return texts


class _Loader(SourceFileLoader):
    """Loads a module from another text than that of its file."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text; nothing is read from a cache, and nothing written to it."""
        code: CodeType = compile(self._text, self.path, "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self._loaders = {}
        for name, text in texts.items():
            module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            self._loaders[module] = _Loader(module, ROOT / name, text)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the wrong version of a module, where there is one."""
        loader = self._loaders.get(name)
        if loader is None:
            return None
        return importlib.util.spec_from_file_location(name, loader.path, loader=loader)

    def check_loaded(self) -> None:
        """Raise where a module is not what runs."""
        for name, loader in self._loaders.items():
            if getattr(sys.modules.get(name), "__loader__", None) is not loader:
                raise DoesNotApply(f"the race does not run {name}")


def import_with(mutant: Mutant, module: str) -> Any:
    """Import a module that brings the wrong version with it, in place of all that was imported.

    Raises:
        DoesNotApply: where the diff does not fit, or the module does without the code in question.
    """
    finder = _Finder(wrong_texts(mutant))
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    imported = importlib.import_module(module)
    finder.check_loaded()
    return imported


def _is_ours(name: str) -> bool:
    """Say whether a module may have to do with the runtime: the zoo's own do not."""
    return name.startswith(_OURS) and not name.startswith("tests.zoo")
