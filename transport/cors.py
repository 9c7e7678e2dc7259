"""Cross-origin answers: what a browser has to be told before a page of another origin reads one.

The list is that of `AccessPolicy.origins`, which may open WebSockets too. A page of our own origin
needs none of this, and a page of any other was refused before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from .exchange import Response

if TYPE_CHECKING:
    from .access import AccessPolicy
    from .exchange import Request

_METHODS: Final = "GET, HEAD, POST, DELETE"
_HEADERS: Final = "authorization, content-type, idempotency-key, last-event-id"
_EXPOSED: Final = "allow, retry-after, www-authenticate"
# Seconds that a browser may remember a preflight: Chrome's longest is two hours, and an origin that
# is taken off the list is refused by the request itself.
_MAX_AGE: Final = 7200


def preflight(request: Request, access: AccessPolicy) -> Response | None:
    """Answer a browser's question whether a page may send a request; None where this is none."""
    asks = request.method == "OPTIONS" and request.header("access-control-request-method")
    if not asks or request.header("origin") not in access.origins:
        return None
    headers = (
        ("access-control-allow-methods", _METHODS),
        ("access-control-allow-headers", _HEADERS),
        ("access-control-max-age", str(_MAX_AGE)),
    )
    return Response(204, headers=headers)


def shared(response: Response, request: Request, access: AccessPolicy) -> Response:
    """Return an answer that a page of an allowed origin may read, with its cookies or without."""
    if not access.origins:
        return response
    headers = [*response.headers, ("vary", "origin")]  # a cache must not mix them up
    origin = request.header("origin")
    if origin is not None and origin in access.origins:
        headers += [
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", _EXPOSED),
        ]
    return evolve(response, headers=tuple(headers))
