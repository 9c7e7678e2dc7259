"""Trio's order is ours to choose; a canary, because it takes private names of trio to do so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from actors.testing.tape import Tape
from actors.testing.trio_order import Arrange, one_at_a_time, plain, shuffled, trio_order


def order_of(arrange: Arrange, note_twice: bool = False) -> tuple[int, ...]:
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)
        if note_twice:
            await trio.lowlevel.checkpoint()
            ran.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(note, number)

    with trio_order(arrange):
        trio.run(main)
    return tuple(ran)


def test_trio_still_has_what_its_order_is_made_of() -> None:
    orders = {seed: {order_of(shuffled(seed)) for _ in range(5)} for seed in range(20)}
    assert all(len(seen) == 1 for seen in orders.values())
    assert len(set.union(*orders.values())) > 10


def test_seed_nought_runs_the_oldest_first() -> None:
    assert order_of(shuffled(0)) == (0, 1, 2, 3, 4, 5)


def test_one_task_at_a_time_holds_the_others_back() -> None:
    """The canary of the step explorer: a task passes a checkpoint before others even began."""
    choose = Tape(bytes(50))
    ran = order_of(one_at_a_time(lambda among: choose.next() % among), note_twice=True)
    assert ran == (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    assert order_of(plain, note_twice=True) == (0, 1, 2, 3, 4, 5) * 2


def test_what_breaks_in_the_hook_is_raised_after_the_run() -> None:
    ran: list[int] = []

    def broken(among: int) -> int:
        raise LookupError("as the test says")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(note, number)

    async def note(number: int) -> None:
        ran.append(number)

    def run(order: Callable[[int], int]) -> None:
        with trio_order(one_at_a_time(order)):
            trio.run(main)

    with pytest.raises(LookupError):
        run(broken)
    assert ran == [0, 1, 2]
