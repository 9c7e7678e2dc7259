"""Wrong versions in a process that has imported the right ones: functions are given new insides.

To import the runtime takes longer than most hunts. Where nothing but the insides of functions
differs, a process that was forked from one that has all of it need not import it again.
"""

from __future__ import annotations

import ast
import gc
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from tests.zoo.apply import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class DoesNotGraft(Exception):
    """More than the insides of functions differs; the wrong version has to be imported."""


def graft(texts: Mapping[str, str], root: Path = ROOT) -> None:
    """Give every function of this process what stands in other texts of its files.

    What a module made of its functions as it was imported stays as it is.

    Args:
        texts: by the paths of the files, below the root.
        root: where they are.

    Raises:
        DoesNotGraft: before anything has changed.
    """
    codes = {place: new for path, text in texts.items() for place, new in _codes(root / path, text)}
    functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
    found = [each for each in functions if _place(each.__code__) in codes]
    if {_place(each.__code__) for each in found} != {*codes}:
        raise DoesNotGraft("not every function of its files is there")
    for function in found:
        function.__code__ = codes[_place(function.__code__)]


# Where a function stands: its file, its name with what it stands in, its first line.
_Place = tuple[str, str, int]


def _place(code: CodeType) -> _Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(path: Path, text: str) -> Iterator[tuple[_Place, CodeType]]:
    """Yield where each function of a file stands, and what it is to be."""
    was = path.read_text()
    if _outside(was) != _outside(text):
        raise DoesNotGraft(f"{path} differs in more than the insides of functions")
    modules = (compile(each, str(path), "exec", dont_inherit=True) for each in (was, text))
    for old, new in zip(*map(_functions, modules), strict=True):
        if old.co_freevars != new.co_freevars:
            raise DoesNotGraft(f"{old.co_qualname} uses other things from around it")
        yield _place(old), new


def _outside(text: str) -> str:
    """Return a file without the insides of its functions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = []
    return ast.dump(tree)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield what is defined in a module and in its classes, in its order."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and not inner.co_flags & inspect.CO_OPTIMIZED:
            yield from _functions(inner)
        elif isinstance(inner, CodeType) and not inner.co_name.startswith("<"):
            yield inner
