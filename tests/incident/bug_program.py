"""A program that records an incident, or replays it, with whatever version of the runtime it finds.

python bug_program.py record FOLDER
python bug_program.py replay FOLDER    prints the invariants that were broken
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import actors
from actors import Rejected, ThreadKind, open_runtime
from actors.testing import read_incident, replay_incident

if TYPE_CHECKING:
    from actors import Turn


async def until_cancelled(turn: Turn) -> None:
    await turn.write("on it ")
    if turn.text == "long":
        await trio.sleep_forever()


async def record(folder: Path) -> None:
    """Have two people use one key, and cancel a turn again when the next one runs."""
    kind = ThreadKind(on_turn=until_cancelled, no_progress=None)
    async with open_runtime(
        folder / "j.db", kind_of=lambda _: kind, record_to=folder / "rec", durability="relaxed"
    ) as runtime:
        ann, bob = runtime.thread("t", "ann"), runtime.thread("t", "bob")
        first = await ann.submit("short", key="k")
        await ann.outcome(first.turn)
        receipt = await bob.submit("short", key="k")
        await bob.outcome(receipt.turn)
        long = await ann.submit("long")
        try:
            await ann.cancel(first.turn)
            with trio.move_on_after(0.1):
                await ann.outcome(long.turn)
        except Rejected:
            pass


def replay(folder: Path) -> None:
    result = replay_incident(read_incident(folder / "rec", folder / "j.db"))
    found = {
        "actors": actors.__file__,
        "broken": sorted({each.invariant for each in result.broken()}),
        "differences": result.differences,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "record":
        trio.run(record, Path(sys.argv[2]))
    else:
        replay(Path(sys.argv[2]))
