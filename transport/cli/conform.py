"""`holdfast conform`: servers and clients of any language, held against the protocol's rules."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import click
import orjson

from ..connecting import DEFAULT_URL
from ..dial import websocket_url
from .failures import CommandFailed, counted, run
from .progress import progress

if TYPE_CHECKING:
    from ..testing.conformance import Report, Result

_MARKS: Final = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "yellow")}


@click.command()
@click.argument("url", default=DEFAULT_URL)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="Only this rule: 1 to 16, or closes, messages, errors, pages, handshake; of Server-Sent "
    "Events sse-begin, sse-types, sse-ids, sse-back, sse-pings, sse-end, sse-wrong. Repeatable.",
)
@click.option(
    "--client",
    metavar="COMMAND",
    help="Hold a client against it instead: the command is started for each scene, with the "
    "address of a scripted server as its last argument.",
)
@click.option("--slow", is_flag=True, help="Also what takes half a minute and more.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for a program.")
def conform(
    url: str, rules: tuple[str, ...], client: str | None, slow: bool, as_json: bool
) -> None:
    """Hold a server or a client against the protocol, and name the rules that it keeps and breaks.

    The URL is the server's own, http or https, or its WebSocket's, ws or wss.

    The server may be written in any language. Its handler has to follow a few words, as that of
    `holdfast serve --handler transport.testing.conformance:KIND` does; what it does not follow
    is skipped, never passed. Threads that begin with “conform-” stay behind.

    A client is told by a thread what to do; docs/how-to/conformance.md says how.

    Exit code 0 means that no rule was broken; 1 that one was.
    """
    known = _known(rules)
    if client is None:
        report = run(partial(_check, _address(url), known, slow))
    else:
        report = run(partial(_check_client, shlex.split(client), known))
    if as_json:
        click.echo(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(told(report)))
    if not report.passed:
        raise CommandFailed(_verdict(report))


def _address(url: str) -> str:
    try:
        return websocket_url(url)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _known(rules: Sequence[str]) -> tuple[str, ...]:
    from ..testing.conformance import RULES

    for rule in rules:
        if rule not in RULES:
            raise click.UsageError(f"--rule: expected one of {', '.join(RULES)}, got {rule!r}")
    return tuple(rules)


async def _check(url: str, rules: Sequence[str], slow: bool) -> Report:
    # Imported here: most commands check nothing, and this takes as long to load as they to run.
    from ..testing.conformance import CHECKS, WebSocketCarrier, check_server

    chosen = sum(not rules or check.rule in rules for check in CHECKS)
    name = f"conform-{secrets.token_hex(4)}"
    with _counted("checks", chosen) as tell:
        carrier = WebSocketCarrier(url)
        return await check_server(carrier, CHECKS, run=name, rules=rules, slow=slow, tell=tell)


async def _check_client(command: Sequence[str], rules: Sequence[str]) -> Report:
    from ..testing.conformance.clients import SCENES, check_client
    from ..testing.conformance.clients.theatre import ProcessTheatre

    chosen = sum(not rules or scene.rule in rules for scene in SCENES)
    with _counted("scenes", chosen) as tell:
        return await check_client(ProcessTheatre(command), SCENES, rules=rules, tell=tell)


@contextmanager
def _counted(unit: str, chosen: int) -> Iterator[Callable[[Result], None]]:
    done = count(1)
    with progress("Checking", unit) as tell:
        yield lambda result: tell(min(next(done), chosen), chosen)


def told(report: Report) -> Iterator[str]:
    """Yield the lines of a report for a person: the rules, then what failed, and what was left."""
    from ..testing.conformance import RULES
    from ..testing.conformance.report import outcome_of

    width = max((len(RULES[rule]) for rule, _ in report.by_rule()), default=0)
    for rule, results in report.by_rule():
        mark, colour = _MARKS[outcome_of(results).value]
        line = f"{mark} {rule:>9}  {RULES[rule]:<{width}}  {_tally(results)}"
        yield click.style(line.rstrip(), fg=colour)
    for failure in report.failures:
        yield ""
        yield from _failure_lines(failure)
    yield from _skipped_lines([r for r in report.results if r.outcome.value == "skipped"])
    yield f"\n{counted(len(report.results), 'check')}: {_tally(report.results)}."


def _tally(results: Sequence[Result]) -> str:
    count = {name: sum(r.outcome.value == name for r in results) for name in _MARKS}
    return ", ".join(f"{number} {name}" for name, number in count.items() if number)


def _failure_lines(failure: Result) -> Iterator[str]:
    yield click.style(f"Rule {failure.rule}: {failure.name}", fg="red", bold=True)
    yield f"  sent      {failure.sent or 'nothing'}"
    yield f"  came      {failure.came}"
    yield f"  expected  {failure.expected}"
    yield click.style("  said and heard last on that connection:", dim=True)
    yield from (click.style(f"    {line}", dim=True) for line in failure.talk)


def _skipped_lines(skipped: Sequence[Result]) -> Iterator[str]:
    for reason in dict.fromkeys(each.reason for each in skipped):
        yield f"\nSkipped, since {reason}:"
        yield from (f"  {r.rule:>9}  {r.name}" for r in skipped if r.reason == reason)


def _verdict(report: Report) -> str:
    if not report.failures:
        return "nothing could be checked"
    return f"broken: {', '.join(map(_named, report.broken))}"


def _named(rule: str) -> str:
    return f"rule {rule}" if rule.isdigit() else rule
