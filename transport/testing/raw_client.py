"""A client that writes its messages itself: pipelined, repeated, never waiting for an answer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson
import trio

from actors.testing import operations as do

from ..link import ConnectFailed, LinkClosed

if TYPE_CHECKING:
    from actors.testing.scenario import Step

    from .network import Connection
    from .wire_log import WatchedLink
    from .wire_steps import Surroundings

# How often a message goes out in a row, under a label of its own each time.
_TIMES: Final = (1, 1, 1, 2)


class RawClient:
    """A user without a library: sends what the scenario says at once, and reads whatever comes.

    It attaches over its own attachments, sends commands behind each other without an answer in
    between, sends some twice, and comes back only when it has something to say.

    Args:
        number: which client of the scenario it is.
        principal: whom it speaks for.
        around: what it shares with the others.
    """

    def __init__(self, number: int, principal: str, around: Surroundings) -> None:
        self.number = number
        self.principal = principal
        self._around = around
        self._connection: Connection | None = None
        self._link: WatchedLink | None = None
        self._labels = 0

    async def perform(self, step: Step) -> None:
        """Carry out one step; nothing is waited for but room on the way."""
        link = await self._connected()
        match step.operation:
            case do.CutConnection() | do.HalfClose() | do.Stall() as fault:
                self._around.befall(self._connection, fault)
            case do.Leave():
                await self.leave()
            case do.Renew():
                await self._say(link, self._hello())
            case _:
                for _ in range(self._around.world.delays.choose(_TIMES)):
                    await self._say(link, {**self.message(step), "id": self._label()})

    async def connect(self) -> None:
        """Be connected."""
        await self._connected()

    async def come_back(self) -> None:
        """Be connected, and follow whatever was followed."""
        link = await self._connected()
        for thread in self._around.followed(self.number):
            cursor = self._around.cursor(self.number, thread, do.Cursor.HELD)
            await self._say(link, {**self._attach(thread, cursor), "id": self._label()})

    async def leave(self) -> None:
        """Close the connection in order."""
        if self._link is not None:
            await self._link.aclose()

    async def _connected(self) -> WatchedLink:
        around = self._around
        while self._link is None:
            try:
                self._connection = await around.network.dial()
            except ConnectFailed:
                await trio.sleep(around.world.limits.reconnect_first_seconds)
            else:
                self._link = around.watched(self._connection, self.number, self.principal)
                around.nursery.start_soon(self._listen, self._link)
                await self._say(self._link, self._hello())
        return self._link

    async def _listen(self, link: WatchedLink) -> None:
        try:
            while True:
                await link.receive()
        except LinkClosed:
            if self._link is link:
                self._link = None

    async def _say(self, link: WatchedLink, message: dict[str, Any]) -> None:
        with suppress(LinkClosed):  # what it was to do is as lost as what is under way
            await link.send_text(orjson.dumps(message))

    # Messages

    def _label(self) -> str:
        self._labels += 1
        return f"raw{self._labels}"

    def _hello(self) -> dict[str, Any]:
        number = self._connection.number if self._connection is not None else 0
        return {"type": "hello", "token": self._around.token(self.principal, number)}

    def _attach(self, thread: str, cursor: str | None) -> dict[str, Any]:
        attach = {"type": "attach", "thread": thread}
        return attach if cursor is None else {**attach, "cursor": cursor}

    def message(self, step: Step) -> dict[str, Any]:
        """Return what a step says, without the label that it has on a connection."""
        body = self._body(step)
        return body if body["type"] == "threads" else {**body, "thread": step.thread}

    def _body(self, step: Step) -> dict[str, Any]:
        argument = self._around.argument(step)
        match step.operation:
            case do.Submit(text=text, key=key, on_busy=on_busy, along=along, first=first):
                more = along.more if key is None else {"key": key, **along.more}
                more |= {} if first is None else {"after": argument}
                return {"type": "submit", "content": text, "on_busy": str(on_busy), **more}
            case do.Cancel(rollback=rollback):
                turn = {} if argument is None else {"turn": argument}
                return {"type": "cancel", "mode": "rollback" if rollback else "keep", **turn}
            case do.Attach(cursor=cursor):
                held = self._around.cursor(self.number, step.thread, cursor)
                return self._attach(step.thread, held)
            case do.Record(number=number, key=key, kind=kind):
                keyed = {} if key is None else {"key": key}
                return {"type": "record", "kind": kind, "data": number, **keyed}
            case do.Truncate():
                return {"type": "truncate", "after": argument}
            case do.Fork(to=to, key=key):
                keyed = {} if key is None else {"key": key}
                return {"type": "fork", "to": to, "after": argument, **keyed}
            case do.ReadPage(limit=limit):
                page = {"limit": limit, "before": argument}
                given = {name: value for name, value in page.items() if value is not None}
                return {"type": "history", **given}
            case do.ListThreads():
                return {"type": "threads"}
            case do.Detach() | do.End() | do.Delete() as plain:
                return {"type": type(plain).__name__.lower()}
            case _:
                raise AssertionError(f"not over the wire: {step}")
