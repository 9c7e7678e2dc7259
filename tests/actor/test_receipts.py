"""I8: which keys are known to be new without asking the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from runtime_world import FakeJournal, open_world, until_stopped

from actors import Limits
from actors.actor.receipts import ReceiptCache
from actors.core.head import Receipt

if TYPE_CHECKING:
    from trio.testing import MockClock

names = st.tuples(st.sampled_from(["ann", "bob", "ann'"]), st.text(max_size=3))


def given_for(principal: str, key: str) -> Receipt:
    return Receipt(principal, key, "digest", "t1", 1, 0.0)


@given(st.lists(names, max_size=30), st.lists(names), st.integers(1, 5), st.sampled_from([1, 64]))
def test_a_key_that_was_taken_is_found_or_in_doubt(
    taken: list[tuple[str, str]], others: list[tuple[str, str]], bound: int, size: int
) -> None:
    cache = ReceiptCache(bound, size, [], complete=True)
    for who in taken:
        if cache.find(*who) is None:  # as nobody is given a second receipt for a key
            cache.add(given_for(*who))
    for who in taken + others:
        found = cache.find(*who)
        assert found == (None if found is None else given_for(*who))
        assert found is None or not cache.is_in_doubt(*who)
        assert found is not None or cache.is_in_doubt(*who) or who not in taken


def test_nearly_every_new_key_is_known_to_be_new() -> None:
    cache = ReceiptCache(10, 8192, [], complete=True)
    for number in range(10_000):
        cache.add(given_for("ann", f"key {number}"))
    doubted = sum(cache.is_in_doubt("ann", f"another {number}") for number in range(1000))
    assert 0 < doubted < 100


def test_nothing_is_known_of_receipts_that_were_not_read() -> None:
    cache = ReceiptCache(2, 64, [given_for("ann", "k")], complete=False)
    assert not cache.is_in_doubt("ann", "k")
    assert cache.is_in_doubt("ann", "another")


class Asked(FakeJournal):
    """A journal that counts the keys that it is asked for."""

    asked = 0

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        self.asked += 1
        return await super().receipt(thread, principal, key)


@pytest.mark.parametrize(("reactivated", "asked"), [(False, 0), (True, 10)])
async def test_the_journal_is_asked_for_new_keys_only_where_it_may_have_them(
    autojump_clock: MockClock, reactivated: bool, asked: int
) -> None:
    limits = Limits(receipts_in_memory=2)
    journal = Asked(limits=limits)
    async with open_world(until_stopped, journal=journal, limits=limits) as world:
        thread = world.thread()
        first = await thread.record("fact", -1, key="first")
        for number in range(5):
            await thread.record("fact", number, key=f"old {number}")
        if reactivated:
            await trio.sleep(100)
        for number in range(10):
            await thread.record("fact", number, key=f"key {number}")
        assert journal.asked == asked
        again = await thread.record("fact", -1, key="first")
        assert (again.position, again.duplicate) == (first.position, True)
        assert journal.asked == asked + 1
