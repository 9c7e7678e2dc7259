"""`--handler module:function`: finding what is named, and saying what is wrong with it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors import Handler, ThreadKind
from actors.handlers.model_service import ModelService

from .failures import WrongUsage

if TYPE_CHECKING:
    from types import ModuleType


def load_kind(name: str) -> ThreadKind:
    """Return the thread kind that a `--handler` names.

    Args:
        name: `module:function`; the current directory is looked in first. What is there is an
            async function, an async generator function, or a `ThreadKind`.

    Raises:
        WrongUsage: naming what was expected and what was found.
    """
    module, found = _find(name)
    _check_service(name, module)
    return _as_kind(name, found)


def load_maker(name: str) -> Any:
    """Return what a `--handler` of `holdfast replay` names, whatever it is.

    Raises:
        WrongUsage: where there is nothing of that name.
    """
    return _find(name)[1]


def _find(name: str) -> tuple[ModuleType, Any]:
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise _wrong(name, "expected module:function, such as my_handlers:reply")
    module = _import(name, module_name)
    return module, _attribute(name, module, attribute)


def _wrong(name: str, why: str) -> WrongUsage:
    return WrongUsage(f"--handler {name}: {why}")


def _import(name: str, module: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is not None and f"{module}.".startswith(f"{exc.name}."):
            where = f"in {here} or on the Python path"
            raise _wrong(name, f"expected a module {module} {where}, found none") from exc
        raise _wrong(name, f"{module} needs a module that is not installed: {exc.name}") from exc
    except Exception as exc:  # whatever the user's own module raises, it is theirs to read
        what = f"{type(exc).__name__}: {exc}"
        raise _wrong(name, f"{module} cannot be imported: {what}") from exc


def _check_service(name: str, module: ModuleType) -> None:
    """Where the module asks a model service, see that nothing is missing before a turn finds out.

    The handlers that come with Holdfast have it as `SERVICE`.
    """
    service = getattr(module, "SERVICE", None)
    missing = service.missing() if isinstance(service, ModelService) else None
    if missing is not None:
        raise _wrong(name, missing)


def _attribute(name: str, module: ModuleType, attribute: str) -> Any:
    try:
        return reduce(getattr, attribute.split("."), module)
    except AttributeError:
        handlers = [n for n, value in vars(module).items() if is_handler(value)]
        own = [n for n in handlers if vars(module)[n].__module__ == module.__name__]
        there = f"found {', '.join(own)}" if own else "found no handler at all"
        raise _wrong(name, f"expected {attribute} in {module.__name__}, {there}") from None


def _as_kind(name: str, found: Any) -> ThreadKind:
    if isinstance(found, ThreadKind):
        return found
    if not is_handler(found):
        expected = "expected an async function, an async generator function or a ThreadKind"
        raise _wrong(name, f"{expected}, found {_described(found)}")
    try:
        inspect.signature(found).bind(None)
    except TypeError:
        parameters = inspect.signature(found)
        raise _wrong(name, f"expected it to take one turn, found parameters {parameters}") from None
    return ThreadKind(on_turn=cast("Handler", found))


def is_handler(found: Any) -> bool:
    """Say whether something is a handler by itself: asynchronous, and no class."""
    while isinstance(found, partial):
        found = found.func
    if inspect.isclass(found):
        return False
    tests = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    called = found if inspect.isroutine(found) else vars(type(found)).get("__call__")
    return any(test(called) for test in tests)


def _described(found: Any) -> str:
    if inspect.isfunction(found):
        kind = "generator function" if inspect.isgeneratorfunction(found) else "function"
        return f"a synchronous {kind} (actors.handlers.blocking makes a handler of one)"
    kind = type(found).__name__
    return f"a class, {found.__name__}" if inspect.isclass(found) else f"something of type {kind}"
