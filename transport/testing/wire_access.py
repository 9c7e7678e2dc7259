"""Whom the clients of a simulated run speak for, and which threads are theirs at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from actors.testing import operations as do
from actors.testing.schedule import TICK
from actors.testing.wire_facts import Allowed, TurnedAway, Welcomed, WireFact

from ..auth import Auth, Authorise, Identity
from .wire_steps import NOBODY

if TYPE_CHECKING:
    from actors.testing.scenario import Scenario
    from actors.testing.world import World

# Ticks that credentials may be good for.
_GOOD_FOR: Final = (math.inf, math.inf, math.inf, 32.0)


class SimulatedAccess:
    """What an application answers whom a server asks; the scenario takes away and gives back.

    Args:
        world: its time, its choices.
        principals: whom each client speaks for; further clients begin from the first again.
        authorise: whose threads they are until something is taken away or given.
        note: notes a fact.
    """

    def __init__(
        self,
        world: World,
        principals: Sequence[str],
        authorise: Authorise,
        note: Callable[[WireFact], None],
    ) -> None:
        self.auth = Auth(self._authenticate, self._may)
        self._world = world
        self._principals = principals
        self._authorise = authorise
        self._note = note
        self._overruled: dict[tuple[str, str], bool] = {}

    def principal(self, client: int) -> str:
        """Return whom a client speaks for."""
        return self._principals[client % len(self._principals)]

    def tell(self, scenario: Scenario) -> None:
        """Note whose the threads of a scenario are."""
        steps = [step for phase in scenario.phases for step in phase]
        threads = dict.fromkeys(step.thread for step in steps)
        threads |= dict.fromkeys(s.operation.to for s in steps if isinstance(s.operation, do.Fork))
        for principal in dict.fromkeys(self._principals):
            for thread in threads:
                self._note(Allowed(principal, thread, self._may(principal, thread)))

    def allow(self, client: int, thread: str, allowed: bool) -> None:
        """Give a thread to whom a client speaks for, or take it away."""
        principal = self.principal(client)
        self._overruled[principal, thread] = allowed
        self._note(Allowed(principal, thread, allowed))

    async def _authenticate(self, token: str) -> Identity | None:
        await self._world.pause()
        principal, _, connection = token.rpartition(":")
        if principal == NOBODY:
            self._note(TurnedAway(int(connection)))
            return None
        good_for = self._world.delays.choose(_GOOD_FOR) * TICK
        self._note(Welcomed(int(connection), principal, trio.current_time() + good_for))
        return Identity(principal, expires_in=good_for)

    def _may(self, principal: str, thread: str) -> bool:
        overruled = self._overruled.get((principal, thread))
        return self._authorise(principal, thread) if overruled is None else overruled
