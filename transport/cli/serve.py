"""`holdfast serve`: the server in the foreground, until a signal stops it in order."""

from __future__ import annotations

import errno
import logging
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import click
import trio
from attrs import define, evolve, field, frozen

from actors import DEFAULT_LIMITS, Limits, ThreadKind, TurnsAbandoned, open_runtime
from actors.handlers import echo
from actors.watchdog import run_watchdog

from ..access import is_loopback
from ..background import background_nursery
from ..server import DEFAULT_HOST, DEFAULT_PORT, Server
from ..server import serve as serve_runtime
from .collector import patient_collector
from .failures import ABANDONED, INTERRUPTED, CommandFailed, run
from .handler_name import load_kind
from .options import db_option
from .switching import prompt_switching

if TYPE_CHECKING:
    from types import FrameType

LOG_LEVELS: Final = ("debug", "info", "warning", "error")

PLUG_IN: Final = """
The built-in handler answers with your own words. To plug in a real model, name a handler of yours,
    holdfast serve --handler my_module:reply
or one that is there:
    OPENAI_API_KEY=… HOLDFAST_MODEL=… holdfast serve --handler actors.handlers.openai:reply
"""


@frozen(kw_only=True)
class Serving:
    """How to serve: the options of the command."""

    kind: ThreadKind
    built_in: bool
    db: str
    host: str
    port: int
    durability: Literal["full", "relaxed"]
    limits: Limits
    origins: tuple[str, ...]
    names: tuple[str, ...]
    record: str | None


def _checked_seconds(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if math.isnan(seconds):  # which is out of no range
        raise click.BadParameter("expected a number of seconds, got nan")
    return seconds


def _checked_origins(
    _: click.Context, __: click.Parameter, origins: tuple[str, ...]
) -> tuple[str, ...]:
    """Return origins as browsers write them, so that none is given that no page can ever have."""
    return tuple(_origin(origin) for origin in origins)


def _origin(origin: str) -> str:
    scheme, _, authority = origin.lower().removesuffix("/").partition("://")
    if not scheme or not authority or set(authority) & set("/?#@"):
        raise click.BadParameter(f"expected an origin, such as https://chat.example, got {origin}")
    return f"{scheme}://{authority}"


@click.command()
@click.option(
    "--handler",
    metavar="MODULE:FUNCTION",
    help="What answers a turn: an async function, an async generator function or a ThreadKind. "
    "The module is looked for in the current directory first. By default the built-in one.",
)
@db_option("The journal's file, made where it is not there.")
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Where to listen.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where to listen; 0 takes a free one.",
)
@click.option(
    "--durability",
    default="full",
    show_default=True,
    type=click.Choice(["full", "relaxed"]),
    help="“full” survives the loss of power, “relaxed” only a crash of the process.",
)
@click.option(
    "--drain",
    "drain_seconds",
    default=DEFAULT_LIMITS.drain_seconds,
    show_default=True,
    type=click.FloatRange(0, 3600),
    callback=_checked_seconds,
    metavar="SECONDS",
    help="How long running turns may go on when the server is stopped.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    callback=_checked_origins,
    help="A page of another origin that may connect, as https://chat.example. Repeatable.",
)
@click.option(
    "--server-name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name that the server answers to, such as that of a proxy. Repeatable.",
)
@click.option(
    "--record",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Also write down what is asked and what comes of it, for `holdfast replay`.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(LOG_LEVELS),
    help="What to log to standard error.",
)
def serve(
    handler: str | None,
    db: str,
    host: str,
    port: int,
    durability: Literal["full", "relaxed"],
    drain_seconds: float,
    origins: tuple[str, ...],
    names: tuple[str, ...],
    record: str | None,
    log_level: str,
) -> None:
    """Run the server: threads, WebSockets and a chat page on one port.

    Ctrl-C and SIGTERM stop it in order: clients are told, running turns get a few seconds to finish
    (--drain), the rest is interrupted and recorded. A second Ctrl-C stops it at once. Nothing that
    was acknowledged is lost either way, nor by kill -9.
    """
    kind = load_kind(handler) if handler is not None else ThreadKind(on_turn=echo.reply)
    logging.basicConfig(
        level=log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        force=True,
    )
    options = Serving(
        kind=kind,
        built_in=handler is None,
        db=db,
        host=host,
        port=port,
        durability=durability,
        limits=evolve(DEFAULT_LIMITS, drain_seconds=drain_seconds),
        origins=origins,
        names=names,
        record=record,
    )
    if not is_loopback(host):
        _warn_of_strangers(host)
    with patient_collector(), prompt_switching():
        run(partial(serve_until_stopped, options))


def _warn_of_strangers(host: str) -> None:
    click.echo(
        f"Warning: {host} may be reached from other machines, and there is no sign-in yet: whoever "
        "reaches it reads and writes every thread.",
        err=True,
    )


async def serve_until_stopped(options: Serving) -> None:
    """Serve until a signal comes, then stop in order.

    Raises:
        CommandFailed: the address cannot be listened on.
        JournalUnavailable: the file cannot be opened, or another process has it.

    Does not return where handlers would not stop: it names them and ends the process.
    """
    stopping = Stopping()
    try:
        with stopping.on_signals(trio.lowlevel.current_trio_token()), stopping.scope:
            async with background_nursery() as nursery:
                nursery.start_soon(run_watchdog, options.limits)
                await _serve(options, stopping)
    except TurnsAbandoned as exc:
        _exit_hard(exc)


async def _serve(options: Serving, stopping: Stopping) -> None:
    kind = options.kind
    async with open_runtime(
        options.db,
        kind_of=lambda _: kind,
        durability=options.durability,
        limits=options.limits,
        record_to=options.record,
    ) as runtime:
        try:
            await serve_runtime(
                runtime,
                host=options.host,
                port=options.port,
                origins=options.origins,
                hosts=options.names,
                task_status=Listening(options, stopping),
            )
        except OSError as exc:
            if stopping.server is not None:
                raise  # it listens: whatever this is, the address is not to blame
            raise _cannot_listen(options, exc) from exc


def _cannot_listen(options: Serving, exc: OSError) -> CommandFailed:
    # trio raises one error for all the addresses of a name, with what happened as its cause.
    causes = {getattr(e, "errno", None) for e in (exc, exc.__cause__, exc.__context__)}
    if errno.EADDRINUSE in causes:
        return CommandFailed(
            f"port {options.port} of {options.host} is taken: is a server running there already? "
            "Choose another one with --port"
        )
    return CommandFailed(f"cannot listen on port {options.port} of {options.host}: {exc}")


@define
class Listening:
    """Hears from the server once it listens, and tells the person."""

    options: Serving
    stopping: Stopping

    def started(self, value: Server | None = None) -> None:
        """Print where it is, and what to do there."""
        assert value is not None  # `serve` tells the server
        self.stopping.server = server = value
        click.echo(f"Holdfast is listening on {server.url}")
        is_default = (self.options.host, self.options.port) == (DEFAULT_HOST, DEFAULT_PORT)
        there = "" if is_default else f"{server.url} "
        click.echo(f"Chat in a browser there, or in a terminal: holdfast chat {there}main")
        click.echo(f"Threads are kept in {self.options.db}. Ctrl-C stops.")
        if self.options.built_in:
            click.echo(PLUG_IN, nl=False)


@define
class Stopping:
    """Begins the ordered shutdown at the first signal, and ends the process at the second Ctrl-C.

    The signal handler is Python's own, so that the second Ctrl-C works where a turn's handler holds
    the event loop as well.
    """

    server: Server | None = None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    _begun: bool = field(default=False, init=False)

    @contextmanager
    def on_signals(self, token: trio.lowlevel.TrioToken) -> Iterator[None]:
        """Mind SIGINT and SIGTERM in the block."""

        def received(number: int, frame: FrameType | None) -> None:
            if self._begun and number == signal.SIGINT:
                os._exit(INTERRUPTED)
            if not self._begun:
                self._begun = True
                token.run_sync_soon(self._begin)

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, received) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _begin(self) -> None:
        click.echo(
            "Stopping: running turns get a moment to finish. Ctrl-C again stops at once.", err=True
        )
        if self.server is not None:
            self.server.stop()
        else:
            self.scope.cancel()


def _exit_hard(abandoned: TurnsAbandoned) -> None:
    """End the process although handlers are still running: nothing else would end them."""
    for thread, turn in abandoned.turns:
        click.echo(f"Abandoned: turn {turn} of thread {thread}; its handler did not stop", err=True)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ABANDONED)
