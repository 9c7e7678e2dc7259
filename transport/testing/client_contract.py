"""What every client has to do, as checks that any client can be put through::

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_my_client(check):
        trio.run(check, my_connect, clock=trio.testing.MockClock(autojump_threshold=0))

`my_connect(open_link, limits)` is an async context manager that gives the client; it connects by
calling `open_link`. The server is a script: it drops connections at chosen points, refuses, repeats
itself and falls silent. Time has to be virtual, since a check takes hours of it.
"""

from __future__ import annotations

from typing import Final

from actors.testing.naming import name_of

from . import client_commands, client_connections, client_streams
from .client_scene import Check, ConnectClient, SomeClient

__all__ = ["CHECKS", "Check", "ConnectClient", "SomeClient", "name_of"]

CHECKS: Final[tuple[Check, ...]] = (
    *client_commands.CHECKS,
    *client_streams.CHECKS,
    *client_connections.CHECKS,
)
