"""One connection of a client, from the dialling to its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import trio
from attrs import frozen

from actors.errors import RemoteProtocolError

from .link import ABNORMAL, ConnectFailed, Link, LinkClosed
from .wire.close_codes import should_reconnect
from .wire.server_messages import ErrorMessage, Goaway, Welcome

if TYPE_CHECKING:
    from actors.limits import Limits

    from .dispatcher import Dispatcher, Notice

log = logging.getLogger("holdfast.client")

# Opens a link whose tasks run in the nursery, within `Limits.handshake_seconds`. Raises
# ConnectFailed where there is none to be had.
OpenLink: TypeAlias = Callable[[trio.Nursery], Awaitable[Link]]

# Refusals of a handshake that say "later": a timeout, too early, too many. The others among the
# 400s say that it is this client that is wrong, as close codes from 4500 on do.
_LATER: Final = frozenset({408, 425, 429})


@frozen
class Disconnection:
    """How a connection ended, or why there was none.

    Args:
        reason: in a sentence for a person.
        code: of the close frame; None where there was none.
        final: whether the server does not want this client back.
    """

    reason: str
    code: int | None = None
    final: bool = False


class Connection:
    """Holds one connection: frames out, frames in, a look at the clock.

    Args:
        dispatcher: what the connection is for.
        limits: the bounds in force.
        on_welcome: called when the server says welcome, each time.
        on_goaway: called with the seconds after which the server wants the client back.

    Attributes:
        link: the connection, while there is one.
        ending: how it ended, once `hold` has returned.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        limits: Limits,
        on_welcome: Callable[[], None],
        on_goaway: Callable[[float], None],
    ) -> None:
        self.link: Link | None = None
        self.ending = Disconnection("the connection ended")
        self._dispatcher = dispatcher
        self._limits = limits
        self._on_welcome = on_welcome
        self._on_goaway = on_goaway
        self._welcomed = trio.Event()
        self._heard_at = trio.current_time()
        self._gave_up: Disconnection | None = None
        # Seconds that what runs on the server may go on for, once it is about to stop.
        self._stay_seconds = limits.drain_seconds
        self._leaving = False

    async def hold(self, nursery: trio.Nursery, open_link: OpenLink) -> None:
        """Dial, and stay connected as long as the connection lasts.

        Args:
            nursery: where its tasks run; to be cancelled on return.
            open_link: dials.

        Cancellation cuts the connection.
        """
        try:
            self.link = link = await open_link(nursery)
        except ConnectFailed as failure:
            self.ending = Disconnection(str(failure), final=_is_for_good(failure.status))
            return
        self._dispatcher.begin(nursery)
        for task in (self._send, self._await_welcome, self._watch_for_silence):
            nursery.start_soon(task, link)
        try:
            await self._receive(nursery, link)
        except LinkClosed as closed:
            self.ending = self._gave_up or _ending(closed)
        except RemoteProtocolError as error:
            self.ending = Disconnection(str(error))
        finally:
            self.link = None
            link.abort()

    async def _receive(self, nursery: trio.Nursery, link: Link) -> None:
        while True:
            message = await link.receive()
            self._heard_at = trio.current_time()
            # A server of this version sends no bytes; what is not known is ignored.
            notices = self._dispatcher.receive(message) if isinstance(message, str) else []
            for notice in notices:
                self._heed(notice)
            if self._dispatcher.protocol.leaving and not self._leaving:
                self._leaving = True
                nursery.start_soon(self._leave, link)

    def _heed(self, notice: Notice) -> None:
        match notice:
            case Welcome():
                self._welcomed.set()
                self._on_welcome()
            case Goaway(retry_after_seconds=seconds):
                self._stay_seconds = max(0.0, min(seconds, self._limits.goaway_most_seconds))
                self._on_goaway(seconds)
            case ErrorMessage(code=code, message=text):
                log.warning("the server answers to no command: %s: %s", code, text)

    async def _send(self, link: Link) -> None:
        with suppress(LinkClosed):  # the receiver is told the same, and how it ended
            while True:
                for frame in await self._dispatcher.frames():
                    if isinstance(frame, str):
                        await link.send_text(frame)
                    else:
                        await link.send_binary(frame)

    async def _await_welcome(self, link: Link) -> None:
        with trio.move_on_after(self._limits.handshake_seconds):
            await self._welcomed.wait()
        if not self._welcomed.is_set():
            self._give_up(link, "the server did not say welcome in time")

    async def _watch_for_silence(self, link: Link) -> None:
        """Give up a link of which nothing was heard for twice `Limits.heartbeat_seconds`.

        Whatever is heard counts: the answer to a ping may be stuck behind much else.
        """
        heartbeat = self._limits.heartbeat_seconds
        with suppress(LinkClosed):
            while trio.current_time() < self._heard_at + 2 * heartbeat:
                await trio.sleep_until(self._heard_at + heartbeat)
                if trio.current_time() >= self._heard_at + heartbeat:
                    await self._ask_for_life(link)
            self._give_up(link, "nothing was heard of the server any more")

    async def _ask_for_life(self, link: Link) -> None:
        with suppress(trio.TooSlowError):
            await link.ping()
            self._heard_at = trio.current_time()

    async def _leave(self, link: Link) -> None:
        """Stay to finish up, until the server closes; and go where it does not.

        What runs too long there is stopped when the time is over, and has its grace to stop in.
        """
        await trio.sleep(self._stay_seconds + self._limits.cancel_grace_seconds)
        self._gave_up = Disconnection("the server is about to stop")
        await link.aclose()

    def _give_up(self, link: Link, reason: str) -> None:
        self._gave_up = self._gave_up or Disconnection(reason)
        link.abort()


def _ending(closed: LinkClosed) -> Disconnection:
    if closed.code == ABNORMAL:
        return Disconnection("the connection broke", closed.code)
    reason = closed.reason or f"closed with {closed.code}"
    return Disconnection(
        f"the server closed the connection: {reason}",
        closed.code,
        final=not should_reconnect(closed.code),
    )


def _is_for_good(status: int | None) -> bool:
    return status is not None and 400 <= status <= 499 and status not in _LATER
