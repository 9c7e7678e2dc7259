"""What the handlers for model services share: settings, and a client that is made once a run."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Final

import trio
import trio.to_thread
from attrs import frozen

from ..errors import TurnFailed

# Which model to ask: names of models go out of date too fast for a default.
MODEL: Final = "HOLDFAST_MODEL"


@frozen
class ModelService:
    """A model service: its library, and the settings that it needs.

    Args:
        library: the name of the package, which is also the name of the extra that installs it.
        settings: environment variables that have to be set.
        client: makes the client, given the imported library.
    """

    library: str
    settings: tuple[str, ...]
    client: Callable[[Any], Any]

    def missing(self) -> str | None:
        """Say in a sentence what is missing before a turn can be answered; None where nothing is.

        Imports nothing.
        """
        if importlib.util.find_spec(self.library) is None:
            return f"the {self.library} package is missing: pip install 'holdfast[{self.library}]'"
        unset = [name for name in self.settings if not os.environ.get(name)]
        if unset:
            return f"{' and '.join(unset)} must be set in the server's environment"
        return None

    async def connected(self) -> Any:
        """Return the client of this run, making it where there is none yet.

        Raises:
            TurnFailed: `not_configured`, where something is missing.

        Cancellation waits for the client to be made.
        """
        clients = _clients()
        if self.library not in clients:
            if self.missing() is not None:
                message = "this server's model is not set up; its operator can see why"
                raise TurnFailed("not_configured", message)
            made = await trio.to_thread.run_sync(self._make)
            clients.setdefault(self.library, made)
        return clients[self.library]

    def _make(self) -> Any:
        # Slow, so in a worker thread: the import, and reading the certificates.
        return self.client(importlib.import_module(self.library))


# Connections belong to the run that opened them, so that clients do as well.
_made: trio.lowlevel.RunVar[dict[str, Any]] = trio.lowlevel.RunVar("holdfast.handlers.clients")


def _clients() -> dict[str, Any]:
    try:
        return _made.get()
    except LookupError:
        clients: dict[str, Any] = {}
        _made.set(clients)
        return clients


def model() -> str:
    """Return the model to ask, as the environment names it."""
    return os.environ.get(MODEL, "")
