"""Playing the scenes, one after the other, each to a client that has just been started."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from ..check import Violation
from ..report import Outcome, Report, Result, shortened
from ..rules import order_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from .scenes import Scene
    from .stage import Stage

# Lines of talk that a failure shows.
_LINES = 8


class Theatre(Protocol):
    """Where scenes are played."""

    def open(self) -> AbstractAsyncContextManager[Stage]:
        """Open a stage, start the client under test, and stop it at the end."""
        ...


async def check_client(
    theatre: Theatre,
    scenes: Sequence[Scene],
    *,
    rules: Collection[str] = (),
    tell: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Hold a client against the protocol.

    Args:
        theatre: what starts the client, and where it connects to.
        scenes: which ones; `SCENES` has all.
        rules: only those of these; all where empty.
        tell: called with each result as it comes.

    Cancellation stops the client.
    """
    results: list[Result] = []
    for scene in scenes:
        if not rules or scene.rule in rules:
            results += (played := await _played(theatre, scene))
            for result in played:
                tell(result)
    return Report(tuple(sorted(results, key=lambda result: order_of(result.rule))))


async def _played(theatre: Theatre, scene: Scene) -> list[Result]:
    async with theatre.open() as stage:
        failures: list[Violation] = []
        try:
            await scene.run(stage)
        except Violation as violation:
            failures.append(violation)
        failures += stage.faults[:1]
        results = [_failed(scene, violation, stage) for violation in failures]
        return results or [Result(scene.rule, scene.name, Outcome.PASSED)]


def _failed(scene: Scene, violation: Violation, stage: Stage) -> Result:
    sent = next((line for line in reversed(stage.log) if line.startswith("→")), None)
    return Result(
        violation.rule or scene.rule,
        scene.name,
        Outcome.FAILED,
        expected=shortened(violation.expected),
        came=shortened(f"{violation.came!s}"),
        sent=None if sent is None else shortened(sent.removeprefix("→ ")),
        talk=tuple(map(shortened, stage.log[-_LINES:])),
    )
