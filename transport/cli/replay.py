"""`holdfast replay`: a case of the testing kit, run again and told as a story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from actors import ThreadKind

from .failures import CommandFailed
from .handler_name import is_handler, load_maker

if TYPE_CHECKING:
    from actors.testing import Kept, MakeHandler, Run

# Follows the scripts that the kit's own scenarios draw as messages.
DEFAULT: Final = "actors.testing:scripted"


@click.command()
@click.argument("case", metavar="FILE")
@click.option(
    "--handler",
    default=DEFAULT,
    show_default=True,
    metavar="MODULE:FUNCTION",
    help="What the case was found with: the function that makes the handler of a world, or a "
    "handler by itself.",
)
@click.option(
    "--kind",
    metavar="MODULE:FUNCTION",
    help="The function that makes a thread's kind, where the case was found with one.",
)
def replay(case: str, handler: str, kind: str | None) -> None:
    """Run a case of the testing kit again, and tell its story.

    FILE is what a run's `keep` wrote, or the case itself as a story gives it. The run is the same,
    byte for byte: where the file says what it was like and it differs, the handler is another one,
    or something in it comes from outside its world.

    Exit code 0 means that every invariant held; 1 that one was broken, or that the run differs.
    """
    kept = _read(case)
    run = _run(kept, _maker(load_maker(handler)), kind)
    broken = run.broken()
    click.echo(run.story(broken))
    if kept.trace not in (None, run.digest):
        raise CommandFailed("this run is not the one that was kept")
    if broken:
        named = ", ".join(dict.fromkeys(each.invariant for each in broken))
        raise CommandFailed(f"broken: {named}")


def _read(case: str) -> Kept:
    # Imported here: no other command needs Hypothesis, which takes as long to load as they to run.
    try:
        from actors.testing import read_kept
    except ModuleNotFoundError as exc:
        what = f"{exc.name} is missing: pip install 'holdfast[testing]'"
        raise CommandFailed(what) from exc
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


def _run(kept: Kept, make_handler: MakeHandler, kind: str | None) -> Run:
    from actors.testing import simulate, with_deadline
    from transport.testing import simulate_wire

    kind_of = with_deadline if kind is None else load_maker(kind)
    play = simulate_wire if kept.replayed_by == "replay_wire" else simulate
    return play(kept.scenario, make_handler, schedule=kept.schedule, kind=kind_of)
