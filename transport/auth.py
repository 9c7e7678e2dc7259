"""Whom a connection speaks for, and which threads are theirs: two functions of the application."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from attrs import field, frozen, validators

from actors import Rejected
from actors.core.arguments import check_principal
from actors.core.fields import as_seconds, is_function, is_seconds
from actors.handles import LOCAL


def _may_speak(_: object, __: object, principal: str) -> None:
    check_principal(principal)


@frozen
class Identity:
    """Whom a token stands for.

    Args:
        principal: the name of the person or program; not blank. Keys and authorship belong to it.
        expires_in: seconds that the token is good for from now on, at least 0. When they are over
            the connection is closed with 4002, unless a later `hello` has renewed them.
    """

    principal: str = field(validator=_may_speak)
    expires_in: float = field(
        default=math.inf, converter=as_seconds, validator=is_seconds(endless=True), kw_only=True
    )


# Returns whom a token stands for, None where it is no good. It has `Limits.handshake_seconds`.
Authenticate: TypeAlias = Callable[[str], Awaitable[Identity | None]]
# Says whether a principal may see and change a thread, by its id. It is asked for every command and
# before whatever is delivered, so it must return at once, and what it says holds at once.
Authorise: TypeAlias = Callable[[str, str], bool]


def anything(principal: str, thread: str) -> bool:
    """Let everybody see and change every thread."""
    return True


@frozen
class Auth:
    """How a server tells its clients apart.

    Args:
        authenticate: without it every connection is one principal, and need not say hello.
        authorise: which threads are whose.
        operators: the principals that may run the server, such as release a thread, whosever it
            is. Where nobody is authenticated, everybody may.
    """

    authenticate: Authenticate | None = field(
        default=None, validator=validators.optional(is_function)
    )
    authorise: Authorise = field(default=anything, validator=is_function)
    operators: frozenset[str] = frozenset()

    async def identity_of(self, token: str | None, seconds: float) -> Identity | None:
        """Return whom a single request speaks for, and how long; None where its token is no good.

        Args:
            token: what the request shows; None where it shows nothing.
            seconds: what `authenticate` has; `None` is returned after that.

        Raises nothing of its own. Cancellation changes nothing.
        """
        if self.authenticate is None:
            return Identity(LOCAL)
        identity = None
        with trio.move_on_after(seconds):
            identity = await self.authenticate(token) if token is not None else None
        return identity if identity is not None and identity.expires_in > 0 else None

    def may_operate(self, principal: str) -> bool:
        """Say whether a principal may run the server."""
        return self.authenticate is None or principal in self.operators


def forbidden() -> Rejected:
    """Return the refusal of a thread: the same whether there is one or not (I19)."""
    return Rejected("forbidden", "this thread is not yours, or not there")
