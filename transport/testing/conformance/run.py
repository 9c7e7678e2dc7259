"""Running the checks, one after the other, against one server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import trio
from attrs import frozen

from .case import Case, Target, limits_of, open_case
from .channel import Carrier, Dialler, SocketCarrier, Unreachable
from .check import WORDS, Check, Need, Skipped, Violation
from .report import Outcome, Report, Result, shortened
from .rules import order_of
from .words import missing_words

# Seconds for one check; a slow one may take what the server's own figures say on top.
_SECONDS: Final = 60.0
# Lines of talk that a failure shows.
_LINES: Final = 8


async def check_server(
    carrier: Carrier,
    checks: Sequence[Check],
    *,
    run: str,
    rules: Collection[str] = (),
    slow: bool = False,
    tell: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Hold a server against the protocol.

    Args:
        carrier: how to reach it.
        checks: which ones; `CHECKS` has all.
        run: a name for the run, 1 to 60 of the characters of a thread id; the ids of the threads
            that it leaves behind begin with it.
        rules: only those of these; all where empty.
        slow: whether to run checks that take half a minute and more.
        tell: called with each result as it comes.

    Raises:
        Unreachable: there is no server to be had.

    Cancellation cuts the connections; turns that were started stay.
    """
    chosen = [check for check in checks if not rules or check.rule in rules]
    target = await _met(carrier, run)
    lacks = await _lacks(target, chosen, slow)
    results: list[Result] = []
    for check in chosen:
        for result in await _results(target, check, lacks):
            results.append(result)
            tell(result)
    return Report(tuple(sorted(results, key=lambda result: order_of(result.rule))))


async def _met(carrier: Carrier, run: str) -> Target:
    """Return the server with the figures of its welcome; without one, with the defaults."""
    target = Target(carrier, run)
    async with open_case(target) as case:
        try:
            welcome = (await case.connect()).heard[0]
        except Violation:
            return target
    heartbeat = welcome.get("heartbeat_seconds")
    seconds = heartbeat if isinstance(heartbeat, int | float) and heartbeat > 0 else 20.0
    return Target(carrier, run, limits_of(welcome), seconds)


async def _lacks(target: Target, checks: Sequence[Check], slow: bool) -> Mapping[Need, str]:
    wanted = frozenset[Need]().union(*(check.needs for check in checks))
    lacks = await missing_words(target) if wanted.intersection(WORDS) else {}
    no_events = await _lacks_events(target) if Need.EVENTS in wanted else None
    if no_events is not None:
        lacks[Need.EVENTS] = no_events
    if not slow:
        lacks[Need.SLOW] = "it takes long: ask for it with --slow"
    if not isinstance(target.carrier, SocketCarrier):
        lacks[Need.SOCKET] = "there is no socket to write bytes to"
    return lacks


async def _lacks_events(target: Target) -> str | None:
    """Say what is answered where event streams should be, if that is another thing."""
    if not isinstance(target.carrier, Dialler):
        return "there is no HTTP to ask for event streams"
    async with open_case(target) as case:
        try:
            thread, peer = case.thread("events"), await case.connect()
            await peer.submit(thread, "hello")
            reader = await case.follow(thread)
        except (Violation, Unreachable):
            return None  # the checks say it better
        absent = reader.status in (404, 501)
        return f"the server answers {reader.status} to an event stream" if absent else None


@frozen
class _Failure:
    """A violation, and the talk around it."""

    violation: Violation
    case: Case

    def result(self, check: Check) -> Result:
        talk = self.case.peers[-1].log if self.case.peers else []
        lines = [line for peer in self.case.peers for line in peer.log if line.startswith("→")]
        sent = next((line for line in reversed(talk) if line.startswith("→")), None)
        sent = sent or (lines[-1] if lines else None)
        return Result(
            self.violation.rule or check.rule,
            check.name,
            Outcome.FAILED,
            expected=shortened(self.violation.expected),
            came=shortened(f"{self.violation.came!s}"),
            sent=None if sent is None else shortened(sent.removeprefix("→ ")),
            talk=tuple(map(shortened, talk[-_LINES:])),
        )


async def _results(target: Target, check: Check, lacks: Mapping[Need, str]) -> list[Result]:
    """Run one check; return its result, and one for every other rule that was broken in it."""
    for need in check.needs:
        if need in lacks:
            return [Result(check.rule, check.name, Outcome.SKIPPED, reason=lacks[need])]
    try:
        async with open_case(target) as case:
            failures, skipped = await _ran(case, check)
    except Unreachable as exc:
        came = f"{exc}"
        expected = "a connection"
        return [Result(check.rule, check.name, Outcome.FAILED, expected=expected, came=came)]
    if failures:
        found = {failure.violation.rule or check.rule: failure for failure in reversed(failures)}
        return [failure.result(check) for failure in found.values()]
    if skipped is not None:
        return [Result(check.rule, check.name, Outcome.SKIPPED, reason=skipped)]
    return [Result(check.rule, check.name, Outcome.PASSED)]


async def _ran(case: Case, check: Check) -> tuple[list[_Failure], str | None]:
    failures: list[_Failure] = []
    skipped: str | None = None
    longest = _SECONDS + (_slowest(case.target) if Need.SLOW in check.needs else 0)
    with trio.move_on_after(longest) as scope:
        try:
            await check.run(case)
        except Violation as violation:
            failures.append(_Failure(violation, case))
        except Skipped as exc:
            skipped = str(exc)
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            # A server may leave out or bend any field; the check that trips over it has failed.
            told = Violation("messages of the documented form", f"{type(exc).__name__}: {exc}")
            failures.append(_Failure(told, case))
    if scope.cancelled_caught:
        failures.append(_Failure(Violation(f"an end within {longest:g} s", "none"), case))
    failures += [_Failure(found, case) for peer in case.peers for found in peer.watch.found]
    return failures, skipped


def _slowest(target: Target) -> float:
    return 2 * (target.limits["slow_seconds"] + 3 * target.heartbeat_seconds)
