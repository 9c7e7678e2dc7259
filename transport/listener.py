"""The accept loop: one task per connection, and no way for a peer to stop it.

trio's own `serve_listeners` lets an exception of one connection end them all, which is what a
program wants to know of its bugs, and what a server cannot afford of its peers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import trio
from attrs import define

from actors.limits import DEFAULT_LIMITS, Limits

log = logging.getLogger("holdfast.server")

Listener: TypeAlias = trio.abc.Listener[trio.abc.Stream]
# Serves one connection; the stream is closed when it returns.
Handle: TypeAlias = Callable[[trio.abc.Stream], Awaitable[None]]

# What a peer can make any connection raise; not worth a line in the log of its own.
_ROUTINE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError)


async def serve_connections(
    listeners: Iterable[Listener],
    handle: Handle,
    *,
    limits: Limits = DEFAULT_LIMITS,
    on_rejected: Handle = trio.aclose_forcefully,
) -> None:
    """Accept on all listeners, and serve each connection in a task of its own.

    To drain, close the listeners: nothing more is accepted, and the call returns once the
    connections that are there have ended. Cancellation closes the listeners and cuts the
    connections. Exceptions of a connection are logged and end that one alone.

    Args:
        listeners: closed on return.
        handle: serves a connection.
        limits: `connections` are served at a time. `refusals` further ones are given to
            `on_rejected`, and what comes on top is closed at once. While the process is out of
            descriptors, the loop tries again every `accept_pause_seconds`.
        on_rejected: turns a connection away; bounded in time by itself.
    """
    async with trio.open_nursery() as nursery:
        door = _Door(nursery, handle, on_rejected, limits)
        for listener in listeners:
            nursery.start_soon(_accept_all, listener, door)


async def _accept_all(listener: Listener, door: _Door) -> None:
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # Out of descriptors or memory, most likely. It passes, and the queue of the
                # system keeps whoever waits.
                log.error("cannot accept, trying on: %s", error)
                await trio.sleep(door.limits.accept_pause_seconds)
            except trio.ClosedResourceError:
                return
            else:
                door.admit(stream)


@define
class _Door:
    """Counts who is in, and decides by that who else may."""

    nursery: trio.Nursery
    handle: Handle
    on_rejected: Handle
    limits: Limits
    served: int = 0
    refused: int = 0

    def admit(self, stream: trio.abc.Stream) -> None:
        if self.served < self.limits.connections:
            self.served += 1
            self.nursery.start_soon(self._serve, stream)
        elif self.refused < self.limits.refusals:
            self.refused += 1
            self.nursery.start_soon(self._refuse, stream)
        else:
            self.nursery.start_soon(_isolated, trio.aclose_forcefully, stream)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            await _isolated(self.handle, stream)
        finally:
            self.served -= 1

    async def _refuse(self, stream: trio.abc.Stream) -> None:
        try:
            await _isolated(self.on_rejected, stream)
        finally:
            self.refused -= 1


async def _isolated(handle: Handle, stream: trio.abc.Stream) -> None:
    """Run one connection. Only what is no `Exception` (cancellation, Ctrl-C) leaves it."""
    try:
        await handle(stream)
    except* _ROUTINE as routine:
        log.debug("a connection broke: %r", routine.exceptions)
    except* Exception:
        # Nothing that one connection meets, not even a bug of ours, may end the others.
        log.exception("serving a connection failed")
    finally:
        await trio.aclose_forcefully(stream)
