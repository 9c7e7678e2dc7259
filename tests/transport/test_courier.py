"""The courier: who puts itself on its list is served, whether it sleeps or not."""

from __future__ import annotations

import trio
import trio.testing
from attrs import define

from transport.courier import _BURST as BURST
from transport.courier import Courier


@define(eq=False)
class Caller:
    """A sender that is served, and may have another served after it."""

    name: int
    served: list[int]
    courier: Courier
    brings: Caller | None = None

    def send_now(self) -> None:
        self.served.append(self.name)
        if self.brings is not None:
            self.courier.add(self.brings)


async def test_whoever_comes_while_it_sleeps_is_served() -> None:
    courier, served = Courier(), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        for name in range(3):
            await trio.testing.wait_all_tasks_blocked()
            courier.add(Caller(name, served, courier))
        await trio.testing.wait_all_tasks_blocked()
        assert served == [0, 1, 2]
        nursery.cancel_scope.cancel()


async def test_those_who_come_together_and_meanwhile_are_served_in_order() -> None:
    courier, served = Courier(), list[int]()
    many = 2 * BURST + 1
    last = Caller(many, served, courier)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        await trio.testing.wait_all_tasks_blocked()
        for name in range(many):
            courier.add(Caller(name, served, courier, last if name == many - 1 else None))
        await trio.testing.wait_all_tasks_blocked()
        assert served == [*range(many + 1)]
        nursery.cancel_scope.cancel()
