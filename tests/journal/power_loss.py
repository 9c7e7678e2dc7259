"""Losses of power at drawn moments, and what the journal's file has to hold after each (I4, I16).

    python -m tests.journal.power_loss --states 2000
    python -m tests.journal.power_loss --hunt 400 --seed 1

Killing a process cannot test this: what was written and not synced survives it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import trio
from attrs import define, evolve, field, frozen

import actors
from actors.core.position import Position
from actors.errors import JournalCorrupt
from actors.journal.contract import Copy
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.limits import DEFAULT_LIMITS
from actors.ports import Inline
from actors.testing.power_loss import record_disk
from actors.testing.scripted_thread import ScriptedThread

if TYPE_CHECKING:
    from actors.journal.contract import Append, Journal

Durability: TypeAlias = Literal["full", "relaxed"]

FILE: Final = "journal.db"
# Small, so that the recording has checkpoints, and forks that are half copied, in its middle.
LIMITS: Final = evolve(DEFAULT_LIMITS, checkpoint_bytes=40_000, fork_portion_events=4)
WRITERS: Final = 4
STEPS: Final = 8
# States looked at of one recording.
STATES: Final = 40
LATER: Final = 1e9


@define
class Promised:
    """What one thread was asked to hold: where each append leads, and when it was acknowledged."""

    positions: list[Position] = field(factory=list)
    acknowledged: list[int] = field(factory=list)

    def floor(self, moment: int) -> int:
        """Return how many appends were acknowledged by a moment."""
        return sum(since <= moment for since in self.acknowledged)


@frozen
class Broken:
    """An invariant that a loss of power broke."""

    invariant: str
    message: str


class Recording:
    """A journal at work, recorded; draws what is done from `random`.

    Args:
        random: decides.
        durability: how the journal is opened.
    """

    def __init__(self, random: Random, durability: Durability) -> None:
        self.promised: dict[str, Promised] = {}
        self._random = random
        self._durability = durability

    async def record(self, folder: Path) -> None:
        """Write some threads side by side into a journal in an empty folder."""
        async with await open_sqlite_journal(folder / FILE, executor=Inline(), first_epoch=1):
            pass
        with record_disk(folder) as self.log:
            async with await self._opened(folder) as journal, trio.open_nursery() as nursery:
                for number in range(WRITERS):
                    nursery.start_soon(self._write, journal, f"t{number}")

    async def _opened(self, folder: Path) -> Journal:
        path = folder / FILE
        return await open_sqlite_journal(
            path, durability=self._durability, executor=Inline(), limits=LIMITS
        )

    async def _write(self, journal: Journal, thread: str) -> None:
        promised = self.promised[thread] = Promised()
        watched = _Watched(journal, promised, self)
        writer = await ScriptedThread.claim(watched, thread)
        for number in range(STEPS):
            await writer.turn(f"{thread}.{number}", *["word " * 20] * self._random.randrange(4))
            if self._random.random() < 0.2:
                await journal.compact(LATER, 0.0, 10)
            if self._random.random() < 0.2:
                await self._fork(journal, writer, f"{thread}.{number}")
            if self._random.random() < 0.2:
                await writer.truncate(None)

    async def _fork(self, journal: Journal, writer: ScriptedThread, last: str) -> None:
        promised = self.promised[f"fork-{last}"] = Promised()
        copy = Copy(
            thread=writer.thread,
            generation=writer.generation,
            to=f"fork-{last}",
            after=f"{last}.0",
            at=1.0,
        )
        promised.positions.append(await journal.fork(copy))
        promised.acknowledged.append(self.log.now)


class _Watched:
    """A journal whose appends are noted: what was asked, and when it was acknowledged."""

    def __init__(self, journal: Journal, promised: Promised, recording: Recording) -> None:
        self._journal = journal
        self._promised = promised
        self._recording = recording

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    async def append(self, append: Append) -> None:
        """Append, and note that it was acknowledged; see `Journal.append`."""
        self._promised.positions.append(Position(append.head.epoch, append.head.offset))
        await self._journal.append(append)
        self._promised.acknowledged.append(self._recording.log.now)


async def judge(recording: Recording, moment: int, random: Random) -> list[Broken]:
    """Cut the power at a moment of a recording, and say what is wrong afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording.log.restore(moment, random, folder)
        try:
            damage = [Broken("I16", str(each)) for each in verify(folder / FILE)]
            return damage or await _judge_threads(folder, recording, moment)
        except Exception as exc:  # whatever it is, it is what this loss has found
            return [Broken("I16", f"the file cannot be read: {exc!r}")]


async def _judge_threads(folder: Path, recording: Recording, moment: int) -> list[Broken]:
    # Relaxed, since nothing that is written from here on has to last.
    opening = open_sqlite_journal(folder / FILE, durability="relaxed", executor=Inline())
    async with await opening as journal:
        return [
            Broken("I4", f"{thread} stands at {at}, and acknowledged was {due}")
            for thread, promised in recording.promised.items()
            for at, due in [await _place(journal, thread, promised, moment)]
            if at < due
        ]


async def _place(journal: Journal, thread: str, promised: Promised, moment: int) -> tuple[int, int]:
    """Return how many of a thread's appends are there, and how many have to be."""
    head = (await journal.load(thread)).head
    places = [Position(1, 0), *promised.positions]
    return places.index(Position(head.epoch, head.offset)), promised.floor(moment)


@define
class Tally:
    """What came of so many states."""

    states: int = 0
    broken: list[Broken] = field(factory=list)


def states(seed: int, durability: Durability) -> Iterator[list[Broken]]:
    """Yield what is wrong in one state after another, without end; the seed decides which."""
    for number in count():
        random = Random(f"{seed}/{number}")
        recording = Recording(random, durability)
        with tempfile.TemporaryDirectory() as folder:
            try:
                trio.run(recording.record, Path(folder))
            except Exception as exc:  # of the journal, on sound steps: that is what was found
                yield [_refused(exc)]
                continue
        for _ in range(STATES):
            moment = random.randint(0, recording.log.now)
            yield trio.run(judge, recording, moment, random)


def _refused(exc: Exception) -> Broken:
    """Say what it breaks that a sound step could not be written; damage that nobody did is I16."""
    raised = ExceptionGroup("", [exc]).subgroup(JournalCorrupt)
    invariant = "I4" if raised is None else "I16"
    return Broken(invariant, f"a step could not be written: {exc!r}")


def hunt(seed: int, most: int, durability: Durability = "full") -> Tally:
    """Look at states until one is wrong, or there were so many."""
    tally = Tally()
    for broken in states(seed, durability):
        tally.states += 1
        tally.broken += broken
        if broken or tally.states == most:
            break
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description="Loss of power at drawn moments.")
    parser.add_argument("--states", type=int, default=2000, help="states to look at")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")
    parser.add_argument("--hunt", type=int, help="states in which to look; prints JSON")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    tally = hunt(chosen.seed, chosen.hunt or chosen.states)
    found = [[each.invariant, each.message] for each in tally.broken]
    if chosen.hunt is not None:
        print(json.dumps({"actors": actors.__file__, "runs": tally.states, "broken": found}))
        return 0
    rate = tally.states / (time.perf_counter() - began)
    print(f"{tally.states} states, {rate:.0f} a second; {found or 'nothing was lost'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
