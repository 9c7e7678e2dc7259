"""`holdfast replay`: a case of the testing kit, or an incident, run again and told as a story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click
from attrs import frozen

from actors import HoldfastError, ThreadKind

from .failures import CommandFailed, WrongUsage
from .handler_name import is_handler, load_maker
from .options import db_option

if TYPE_CHECKING:
    from actors.testing import Kept, MakeHandler, Replayed, Run

# Follows the scripts that the kit's own scenarios draw as messages.
DEFAULT: Final = "actors.testing:scripted"


@click.command()
@click.argument("case", metavar="FILE")
@click.option(
    "--handler",
    metavar="MODULE:FUNCTION",
    help="What the case was found with: the function that makes the handler of a world, or a "
    f"handler by itself. By default {DEFAULT}, and of an incident what every turn said then.",
)
@click.option(
    "--kind",
    metavar="MODULE:FUNCTION",
    help="The function that makes a thread's kind, where the case was found with one.",
)
@click.option(
    "--service",
    metavar="MODULE:FUNCTION",
    help="The function that makes the service of a world, likewise; not of a case over a network.",
)
@click.option(
    "--authorise",
    metavar="MODULE:FUNCTION",
    help="Which threads are whose, likewise; of a case over a network.",
)
@db_option("Of an incident: the file of its journal, or a copy.")
def replay(
    case: str,
    handler: str | None,
    kind: str | None,
    service: str | None,
    authorise: str | None,
    db: str,
) -> None:
    """Run a case of the testing kit again, or an incident, and tell its story.

    FILE is what a run's `keep` wrote, or the case itself as a story gives it. The run is the same,
    byte for byte: where the file says what it was like and it differs, the handler is another one,
    or something in it comes from outside its world.

    Or it is the folder that `holdfast serve --record` wrote. Then the threads begin as its journal
    (--db) says that they were, and are asked again what they were asked.

    Exit code 0 means that every invariant held; 1 that one was broken, or that the run differs.
    """
    with _kit_is_there():
        parts = _Parts(handler, kind, service, authorise)
        if not case.startswith("{") and Path(case).is_dir():
            replayed = _replay_incident(case, db, parts)
            _tell(replayed)
            return
        kept = _read(case)
        run = _run(kept, parts)
    _tell(run, differs=kept.trace not in (None, run.digest))


def _tell(run: Run | Replayed, *, differs: bool = False) -> None:
    broken = run.broken()
    click.echo(run.story(broken))
    if differs:
        raise CommandFailed("this run is not the one that was kept")
    if broken:
        named = ", ".join(dict.fromkeys(each.invariant for each in broken))
        raise CommandFailed(f"broken: {named}")


@frozen
class _Parts:
    """What a case was found with, by name."""

    handler: str | None
    kind: str | None
    service: str | None
    authorise: str | None

    def named(self, **names: str | None) -> dict[str, Any]:
        """Return what is there of some parameters, by their names."""
        return {each: load_maker(name) for each, name in names.items() if name is not None}


@contextmanager
def _kit_is_there() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as exc:
        what = f"{exc.name} is missing: pip install 'holdfast[testing]'"
        raise CommandFailed(what) from exc


def _replay_incident(folder: str, db: str, parts: _Parts) -> Replayed:
    from actors.testing import read_incident, replay_incident

    _refuse("--authorise", parts.authorise, "only a case over a network has one")
    make_handler = None if parts.handler is None else _maker(load_maker(parts.handler))
    more = parts.named(kind=parts.kind, make_service=parts.service)
    try:
        return replay_incident(read_incident(folder, db), make_handler, **more)
    except (OSError, ValueError, HoldfastError) as exc:
        raise CommandFailed(str(exc)) from exc


def _read(case: str) -> Kept:
    # Imported here: no other command needs Hypothesis, which takes as long to load as they to run.
    from actors.testing import read_kept

    try:
        return read_kept(case if case.startswith("{") else Path(case).read_text())
    except (OSError, ValueError) as exc:
        raise CommandFailed(f"{case:.80}: {exc}") from exc


def _maker(found: Any) -> MakeHandler:
    if isinstance(found, ThreadKind):
        return lambda world: found.on_turn
    if is_handler(found):
        return lambda world: found
    return cast("MakeHandler", found)


def _run(kept: Kept, parts: _Parts) -> Run:
    from actors.testing import simulate
    from transport.testing import simulate_wire

    make_handler = _maker(load_maker(parts.handler or DEFAULT))
    play: Callable[..., Run]
    if kept.replayed_by == "replay_wire":
        _refuse("--service", parts.service, "a case over a network has none")
        play, more = simulate_wire, parts.named(kind=parts.kind, authorise=parts.authorise)
    else:
        _refuse("--authorise", parts.authorise, "only a case over a network has one")
        play, more = simulate, parts.named(kind=parts.kind, make_service=parts.service)
    return play(kept.scenario, make_handler, schedule=kept.schedule, **more)


def _refuse(option: str, given: str | None, why: str) -> None:
    if given is not None:
        raise WrongUsage(f"{option}: {why}")
