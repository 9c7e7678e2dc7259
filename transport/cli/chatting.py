"""A chat: what the thread says goes to the screen, what the person types goes to the thread."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Final

import trio
from attrs import frozen

from actors import OnBusy, Position, Rejected, parse_cursor
from actors.errors import OutcomeUnknown

from ..background import background_nursery
from ..connector import ConnectionState, ConnectionStatus
from .failures import INTERRUPTED
from .line_editor import LineEditor
from .narrator import Narrator
from .terminal import read_keys, read_lines
from .transcript import Said, Style

if TYPE_CHECKING:
    from actors import Batch

    from ..client import Client
    from .screen import Screen

# Seconds within which a second Ctrl-C leaves.
AGAIN_SECONDS: Final = 3.0
# Seconds for what was typed to be sent, where the person leaves right behind it.
LEAVING_SECONDS: Final = 5.0
# Lines that wait to be sent.
WAITING_MOST: Final = 64

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

CONNECTING: Final = "connecting…"
RECONNECTING: Final = "reconnecting…"
RECONNECTED: Final = "reconnected"
STOPPING: Final = "stopping the answer…"
HOW_TO_LEAVE: Final = "Ctrl-C again, or Ctrl-D, leaves"


@frozen
class Options:
    """What the command line says: where, which thread, and how."""

    url: str
    thread: str
    on_busy: OnBusy
    window: int


class Chat:
    """One person, or one pipe, on one thread.

    Args:
        client: connected, or about to be.
        options: of the command line.
        screen: where the thread is told.
    """

    def __init__(self, client: Client, options: Options, screen: Screen) -> None:
        self._client = client
        self._options = options
        self._screen = screen
        self._narrator = Narrator()
        self._editor = LineEditor()
        self._leaving = trio.CancelScope()
        self._exit_code = 0
        self._told = trio.lowlevel.ParkingLot()
        self._status = ""
        self._was_open = False
        self._interrupted_at = float("-inf")
        self._unsent = 0
        self._lines, self._to_send = trio.open_memory_channel[str](WAITING_MOST)

    async def run(
        self,
        obey: Callable[[], Awaitable[None]],
        mode: AbstractContextManager[None] | None = None,
    ) -> int:
        """Chat until `obey` returns or the person leaves, and return the exit code.

        Args:
            obey: `obey_keys` or `obey_lines`.
            mode: what the terminal is put into meanwhile.

        Raises:
            ClientClosed: the server does not want this client any more.
        """
        # From here on a signal ends the chat in order, and the terminal is left as it was.
        with trio.open_signal_receiver(*_SIGNALS) as received, mode or nullcontext():
            async with background_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._mind, received)
                nursery.start_soon(self._follow)
                self._client.on_connection(self._connection_changed)
                with self._leaving:
                    await obey()
        return self._exit_code

    async def obey_keys(self) -> None:
        """Take what is typed at the terminal, until Ctrl-D."""
        self._nursery.start_soon(self._send_lines)
        async with aclosing(read_keys(sys.stdin.fileno())) as typed:
            async for keys in typed:
                self._type(keys)
                if self._editor.left:
                    break
        with trio.move_on_after(LEAVING_SECONDS):
            await self._until(lambda: not self._unsent)

    async def obey_lines(self) -> None:
        """Send the lines of standard input one after the other, each when the last was answered."""
        refused = False
        await self._until(lambda: self._narrator.position is not None)
        async with aclosing(read_lines()) as lines:
            async for line in lines:
                submitted = await self._submit(line)
                refused = refused or submitted is None
                if submitted is not None:
                    await self._until_over(*submitted)
        if refused or self._narrator.unhappy:
            self._exit_code = 1

    # What the thread says.

    async def _follow(self) -> None:
        cursor: str | None = None
        while True:
            thread, window = self._options.thread, self._options.window
            async with self._client.attach(thread, cursor, window=window) as stream:
                async for batch in stream:
                    self._heard(batch)
                cursor = stream.cursor
            # Ended or deleted: the next message opens it again, so it stays in view.

    def _heard(self, batch: Batch) -> None:
        was_live = self._narrator.live
        self._screen.say(self._narrator.tell(batch))
        is_live = self._narrator.live
        began = is_live is not None and is_live != was_live
        if (self._status == RECONNECTED and began) or (self._status == STOPPING and not is_live):
            self._status = ""
        self._show()

    async def _until_over(self, turn: str, submitted: Position) -> None:
        await self._until(lambda: self._narrator.is_over(turn, submitted))

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._told.park()

    # What the connection does.

    def _connection_changed(self, status: ConnectionStatus) -> None:
        match status.state:
            case ConnectionState.OPEN:
                self._status = RECONNECTED if self._was_open else ""
                self._was_open = True
            case ConnectionState.CONNECTING | ConnectionState.RECONNECTING:
                if self._was_open:
                    self._status = RECONNECTING
                else:
                    self._status = CONNECTING + (f" ({status.reason})" if status.reason else "")
            case ConnectionState.CLOSED:
                pass
        self._show()

    def _show(self) -> None:
        waiting = self._unsent and self._client.connection.state is not ConnectionState.OPEN
        unsent = f"{self._unsent} to be sent" if waiting else ""
        self._screen.ask(", ".join(filter(None, (self._status, unsent))), self._editor.text)
        self._told.unpark_all()

    # What the person says.

    def _type(self, keys: bytes) -> None:
        if self._status in (RECONNECTED, HOW_TO_LEAVE):
            self._status = ""
        for line in self._editor.type(keys):
            self._take(line)
        self._show()

    def _take(self, line: str) -> None:
        try:
            self._lines.send_nowait(line)
        except trio.WouldBlock:
            self._editor.text = line
            self._status = "too much waits to be sent"
        else:
            self._unsent += 1

    async def _send_lines(self) -> None:
        async for line in self._to_send:
            if await self._submit(line) is None and not self._editor.text:
                self._editor.text = line  # to be sent again, or changed
            self._unsent -= 1
            self._show()

    async def _submit(self, line: str) -> tuple[str, Position] | None:
        key = f"c{secrets.token_hex(10)}"
        self._narrator.expect(key)
        try:
            receipt = await self._client.submit(
                self._options.thread, line, key=key, on_busy=self._options.on_busy
            )
        except Rejected as exc:
            self._narrator.forget(key)
            self._screen.say([Said(f"  [not sent: {exc.message}]", Style.ERROR)])
            return None
        return receipt.turn, parse_cursor(receipt.cursor)

    # Ctrl-C.

    async def _mind(self, received: AsyncIterator[int]) -> None:
        async for number in received:
            if number == signal.SIGINT:
                self._interrupted()
            else:
                self._leave(128 + number)

    def _interrupted(self) -> None:
        now = trio.current_time()
        again, self._interrupted_at = now - self._interrupted_at < AGAIN_SECONDS, now
        turn = self._narrator.live
        if again:
            self._leave(INTERRUPTED)
        elif turn is not None:
            self._status = STOPPING
            self._nursery.start_soon(self._cancel, turn)
        else:
            self._status = HOW_TO_LEAVE
        self._show()

    def _leave(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._leaving.cancel()

    async def _cancel(self, turn: str) -> None:
        try:
            await self._client.cancel(self._options.thread, turn)
        except (Rejected, OutcomeUnknown) as exc:
            self._screen.say([Said(f"  [not stopped: {exc}]", Style.ERROR)])
