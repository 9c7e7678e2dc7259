"""Serves one broken server on a free port: `python -m tests.conformance.broken_servers NAME`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import trio

from actors import open_runtime
from actors.journal.memory import MemoryJournal
from transport.access import AccessPolicy
from transport.api import answer_api
from transport.auth import Auth
from transport.event_stream import EventStreams
from transport.http import Site, serve_connection
from transport.listener import serve_connections
from transport.session import Session
from transport.testing.conformance import KIND

from . import BROKEN, broken_answer, broken_link

if TYPE_CHECKING:
    from transport.exchange import Request
    from transport.link import Link


async def main(name: str) -> None:
    async with open_runtime(MemoryJournal(), kind_of=lambda _: KIND) as runtime:

        async def session(link: Link, request: Request) -> None:
            await Session(broken_link(name, link), runtime, "broken").run()

        limits = runtime.limits
        answer = partial(answer_api, runtime, Auth(), EventStreams(limits))
        site = Site(
            routes={},
            serve_link=session,
            access=AccessPolicy(),
            limits=limits,
            mounts={"threads": broken_answer(name, answer)},
        )
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        print(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", flush=True)
        await serve_connections(listeners, partial(serve_connection, site=site), limits=limits)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in BROKEN:
        trio.run(main, sys.argv[1])
    sys.exit(f"usage: python -m tests.conformance.broken_servers {'|'.join(BROKEN)}")
