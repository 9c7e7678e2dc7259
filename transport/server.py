"""The server: one port for the page, the health checks and the streams, and an ordered shutdown.

Shutdown: nothing more is accepted, every client is told to go away, turns get `drain_seconds` to
finish, what is left is interrupted and recorded, everybody sees how it ended, connections close.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from actors import Runtime
from actors.core.arguments import check_is, checked_words

from .access import AccessPolicy, listens_on_loopback
from .api import answer_api
from .auth import Auth, Authenticate, Authorise, anything
from .courier import Courier
from .event_stream import EventStreams
from .exchange import Request, RequestHandler, Response, Routes
from .http import Site, refuse_overload, serve_connection
from .listener import Listener, serve_connections
from .metrics import EXPOSITION, exposition
from .session import Session

if TYPE_CHECKING:
    from .link import Link

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8420

_CONTENT_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@define(eq=False)
class Server:
    """A running server. Made by `serve`.

    Attributes:
        url: where the page is.
    """

    url: str
    _runtime: Runtime
    _listeners: tuple[Listener, ...]
    _instance: str
    _auth: Auth = field(factory=Auth)
    _streams: EventStreams = field(factory=EventStreams)
    _sessions: dict[Session, None] = field(factory=dict)
    _courier: Courier = field(factory=Courier)
    _stopping: trio.Event = field(factory=trio.Event)

    @property
    def connections(self) -> int:
        """How many WebSockets are open."""
        return len(self._sessions)

    @property
    def event_streams(self) -> int:
        """How many threads' streams are open as Server-Sent Events."""
        return len(self._streams)

    def stop(self) -> None:
        """Begin the ordered shutdown; `serve` returns when it is over."""
        self._stopping.set()

    async def run(self, site: Site) -> None:
        """Serve until `stop`, then shut down in order.

        Raises nothing of its own. Cancellation cuts every connection at once.
        """
        limits = site.limits
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._courier.run)
            nursery.start_soon(
                partial(
                    serve_connections,
                    self._listeners,
                    partial(serve_connection, site=site),
                    limits=limits,
                    on_rejected=partial(refuse_overload, limits=limits),
                )
            )
            await self._stopping.wait()
            await self._shut_down()
            nursery.cancel_scope.cancel()

    async def serve_link(self, link: Link, request: Request) -> None:
        """Serve one accepted WebSocket.

        Raises:
            LinkClosed: the link ended.

        Cancellation leaves every thread as it is (I5).
        """
        session = Session(link, self._runtime, self._instance, self._auth, self._courier)
        self._sessions[session] = None
        try:
            await session.run()
        finally:
            del self._sessions[session]

    async def _shut_down(self) -> None:
        for listener in self._listeners:
            await listener.aclose()
        retry_after = self._runtime.limits.drain_seconds
        for session in self._sessions:
            session.goaway(retry_after)
        await self._runtime.drain()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._streams.end, retry_after)
            for session in tuple(self._sessions):
                nursery.start_soon(session.leave)


async def serve(
    runtime: Runtime,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = (),
    authenticate: Authenticate | None = None,
    authorise: Authorise = anything,
    operators: Iterable[str] = (),
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a runtime on one port until the server is stopped.

    Args:
        runtime: an open one.
        host: the address to listen on; loopback by default.
        port: 0 takes a free one.
        origins: pages of other origins that may connect, as `https://chat.example`.
        hosts: names that the server answers to besides loopback ones, such as that of a proxy.
        authenticate: returns whom the token of a `hello` stands for, None where it is no good;
            without it every connection is one principal. It has `Limits.handshake_seconds`.
        authorise: says whether a principal may see and change a thread: asked for every command,
            and again before whatever is delivered, so it must return at once (I19).
        operators: principals that may release a quarantined thread, whosever it is; without
            `authenticate` everybody may.
        task_status: is given the `Server` once it listens.

    Raises:
        OSError: the address cannot be listened on.
        TypeError: an argument is of another sort than it has to be.

    Cancellation cuts every connection at once; call `Server.stop` for an ordered shutdown. No turn
    is touched by either: the runtime drains when it is closed.
    """
    check_is("runtime", runtime, Runtime)
    auth = Auth(authenticate, authorise, checked_words("operators", operators))
    names, pages = checked_words("hosts", hosts), checked_words("origins", origins)
    listeners = await trio.open_tcp_listeners(port, host=host)
    bound_port = int(listeners[0].socket.getsockname()[1])
    instance = runtime.ids.fresh("i")
    streams = EventStreams(runtime.limits)
    server = Server(_url(host, bound_port), runtime, tuple(listeners), instance, auth, streams)
    loopback = listens_on_loopback(listeners)
    access = AccessPolicy(loopback=loopback, hosts=names, origins=pages)
    site = Site(
        routes=_routes(runtime, server),
        serve_link=server.serve_link,
        access=access,
        limits=runtime.limits,
        mounts={"threads": partial(answer_api, runtime, auth, streams)},
    )
    task_status.started(server)
    await server.run(site)


def _url(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"


def _routes(runtime: Runtime, server: Server) -> Routes:
    return {
        **_page_routes(),
        ("GET", "/healthz"): _healthz,
        ("GET", "/readyz"): partial(_readyz, runtime),
        ("GET", "/metrics"): partial(_metrics, runtime, server),
    }


def _page_routes() -> dict[tuple[str, str], RequestHandler]:
    """Return the page's packaged files by their names, but two by what browsers ask for.

    They are read once, so that what a running server serves fits together.
    """
    routes: dict[tuple[str, str], RequestHandler] = {}
    for file in files("transport").joinpath("web").iterdir():
        content_type = _CONTENT_TYPES.get(file.name.rpartition(".")[2])
        if content_type is not None:
            routes["GET", f"/{file.name}"] = partial(_page, file.read_bytes(), content_type)
    routes["GET", "/"] = routes.pop(("GET", "/index.html"))
    routes["GET", "/favicon.ico"] = routes["GET", "/favicon.svg"]
    return routes


async def _page(body: bytes, content_type: str, request: Request) -> Response:
    return Response(200, body, content_type, headers=(("cache-control", "no-cache"),))


async def _healthz(request: Request) -> Response:
    return Response(200, b"ok\n")


async def _metrics(runtime: Runtime, server: Server, request: Request) -> Response:
    text = exposition(runtime.statistics(), server.connections, server.event_streams)
    return Response(200, text.encode(), EXPOSITION)


async def _readyz(runtime: Runtime, request: Request) -> Response:
    """Ready as long as the journal is; threads that were set aside are named (I10)."""
    statistics = runtime.statistics()
    lines = [f"quarantined {thread}: {why}" for thread, why in statistics.quarantined.items()]
    lines += [f"abandoned turn {turn} of {thread}" for thread, turn in statistics.abandoned]
    ready = not statistics.journal_failed
    lines.insert(0, "ready" if ready else "the journal failed and is being reopened")
    return Response(200 if ready else 503, "".join(f"{line}\n" for line in lines).encode())
