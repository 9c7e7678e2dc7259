"""A plain HTTP exchange as handlers see it: the request, the response, and the table of routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from attrs import frozen


@frozen(kw_only=True)
class Request:
    """One HTTP request, read whole.

    Args:
        method: as sent, `GET`.
        path: the target up to `?`, still percent-encoded; starts with `/`.
        query: what follows the `?`, still percent-encoded.
        headers: names in lower case, values as sent, in order.
        body: at most `Limits.http_body_bytes`.
        http_version: `1.0` or `1.1`.
        peer: the address of the other side, for logs.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    http_version: str = "1.1"
    peer: str = "unknown"

    def header(self, name: str) -> str | None:
        """Return a header's value; the values of a repeated one, joined with commas; or None.

        Args:
            name: in lower case.
        """
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def tokens(self, name: str) -> frozenset[str]:
        """Return the comma-separated words of a header, in lower case.

        Args:
            name: in lower case.
        """
        words = (self.header(name) or "").split(",")
        return frozenset(word.strip().lower() for word in words) - {""}


class Chunks(Protocol):
    """The body of an answer that goes on, such as an async generator."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks, none of them empty."""
        ...

    async def aclose(self) -> None:
        """Be done with it; called once, whether or not anything was asked for."""
        ...


@frozen
class Response:
    """What a handler answers.

    Args:
        status: 200–599.
        body: the whole of it, or its chunks for an answer that goes on (Server-Sent Events). They
            are closed when the peer goes away, or takes nothing for `Limits.slow_seconds`: the
            `finally` of a generator that was begun runs.
        content_type: with its charset.
        headers: further ones. Length, framing and the security headers are added.
    """

    status: int
    body: bytes | Chunks = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


RequestHandler = Callable[[Request], Awaitable[Response]]

# (method, path) to handler. The path is compared as sent: nothing is decoded, joined or looked up
# on a disk, so there is no traversal. `GET` answers `HEAD` too.
Routes = Mapping[tuple[str, str], RequestHandler]

# First segment of a path, as `threads`, to the handler of what is below it, whatever the method.
Mounts = Mapping[str, RequestHandler]
