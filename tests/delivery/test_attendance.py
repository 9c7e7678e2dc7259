"""Who is attached, where connections break and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors import Limits
from actors.delivery.attendance import Attendance

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_connection_that_comes_and_goes_is_remembered_by_one_task(
    autojump_clock: MockClock,
) -> None:
    """I12: it breaks sooner than it is forgotten, for as long as it likes."""
    running = most = 0

    async def forget() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await attendance.forget_broken()
        running -= 1

    async with trio.open_nursery() as nursery:
        attendance = Attendance(
            Limits(presence_seconds=10),
            changed=lambda: None,
            deserted=lambda: None,
            broken=lambda: nursery.start_soon(forget),
            late=lambda: nursery.start_soon(attendance.tell_late),
        )
        for _ in range(50):
            attendance.enter("ada")
            await trio.sleep(1)
            attendance.leave("ada", broken=True)
            await trio.sleep(2)
        assert attendance.roll.total == 1
        await trio.sleep(10)
        assert attendance.roll.total == 0
    assert (running, most) == (0, 1)
