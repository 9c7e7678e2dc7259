"""Those who wait until everything is at rest."""

from __future__ import annotations

import trio


class Quiescence:
    """Tasks that wait for quiescence; a scheduler wakes them when it sees it."""

    def __init__(self) -> None:
        self._lot = trio.lowlevel.ParkingLot()

    async def reached(self) -> None:
        """Wait for it."""
        await self._lot.park()

    def awaited(self) -> bool:
        """Wake everybody who waits; say whether there was anybody."""
        return bool(self._lot.unpark_all())
