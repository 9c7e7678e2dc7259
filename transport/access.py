"""Which requests a browser may bring us: the Host and Origin checks, before anything is looked up.

A page of another site cannot read our answers, but it can open WebSockets, and after DNS rebinding
it shares our origin. Browsers cannot forge `Host` and `Origin`; other programs could send what they
like, so those headers are asked only what a browser put in them.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import trio
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .exchange import Request


@frozen(kw_only=True)
class AccessPolicy:
    """Whose pages may talk to this server.

    Args:
        loopback: the server listens on loopback only, so `Host` has to be a loopback name: under
            any other a foreign name was made to point here (DNS rebinding).
        hosts: further names, without port and in lower case, that a loopback server answers to,
            such as that of a proxy in front of it.
        origins: pages of other origins that may connect, as `https://chat.example`.
    """

    loopback: bool = True
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def admits(self, request: Request) -> bool:
        """Return whether the request's `Host` and `Origin` are ours; otherwise 403 is due."""
        host = request.header("host")
        return self._host_is_ours(host) and self._origin_may(request.header("origin"), host)

    def _host_is_ours(self, host: str | None) -> bool:
        # Only HTTP/1.0 may leave Host out, and no browser speaks that.
        if host is None or not self.loopback:
            return True
        name = host_name(host)
        return is_loopback(name) or name in self.hosts

    def _origin_may(self, origin: str | None, host: str | None) -> bool:
        if origin is None or origin in self.origins:
            return True
        # The scheme stays out of it: behind a proxy that ends TLS it differs. `null` has none.
        _, _, authority = origin.partition("://")
        return host is not None and authority.lower() == host.lower() != ""


def host_name(host: str) -> str:
    """Return a `Host` header's name without its port, in lower case; an IPv6 one unbracketed."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """Return whether a name can mean only this machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def listens_on_loopback(listeners: Iterable[trio.abc.Listener[trio.abc.Stream]]) -> bool:
    """Return whether every listener is a TCP one bound to a loopback address."""
    return all(_bound_to_loopback(listener) for listener in listeners)


def _bound_to_loopback(listener: trio.abc.Listener[trio.abc.Stream]) -> bool:
    if isinstance(listener, trio.SSLListener):
        listener = listener.transport_listener
    return isinstance(listener, trio.SocketListener) and is_loopback(
        str(listener.socket.getsockname()[0])
    )
