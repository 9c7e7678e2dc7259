"""What came of a simulation: its trace, what it broke, and its story."""

from __future__ import annotations

import hashlib
import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from .case import Kept, write_case, write_kept
from .checkers import CHECKERS, Broken
from .history import History
from .recorder import Record
from .scenario import Scenario
from .schedule import Schedule
from .story import lines, told

if TYPE_CHECKING:
    import os


class InvariantBroken(AssertionError):
    """A run broke an invariant; the message is its story.

    Args:
        run: the run.
        broken: what the checkers found.
    """

    def __init__(self, run: Run, broken: tuple[Broken, ...]) -> None:
        super().__init__(run.story(broken))
        self.run = run
        self.broken = broken


@frozen(slots=False)
class Run:
    """One simulated run, seen from outside.

    Args:
        scenario, schedule: what was run.
        records: what was seen, in the order in which it happened.
        replayed_by: the name of what runs the case again; None where Hypothesis does.
    """

    scenario: Scenario
    schedule: Schedule
    records: tuple[Record, ...]
    replayed_by: str | None = "replay"

    def check(self) -> Run:
        """Hold the run against every invariant, and return it.

        Raises:
            InvariantBroken: with the story, and how to play it again.
        """
        broken = self.broken()
        if broken:
            raise InvariantBroken(self, broken)
        return self

    def broken(self) -> tuple[Broken, ...]:
        """Return what the checkers find, in the order in which it shows."""
        found = [broken for checker in CHECKERS.values() for broken in checker(self.history)]
        return tuple(sorted(found, key=lambda broken: broken.index))

    @cached_property
    def history(self) -> History:
        """The records in order: calls, attachments, turns and rows on disk."""
        return History(self.records)

    @property
    def case(self) -> str:
        """The arguments as one line of text; see `replay`."""
        return write_case(self.scenario, self.schedule)

    @property
    def command(self) -> str:
        """The command line that plays it again."""
        kept = Kept(self.scenario, self.schedule, self.replayed_by or "replay")
        return f"holdfast replay {shlex.quote(write_kept(kept))} --handler MODULE:FUNCTION"

    def keep(self, path: str | os.PathLike[str]) -> None:
        """Write the case into a file, with what its trace has to be when it is played again."""
        by = self.replayed_by or "replay"
        text = write_kept(Kept(self.scenario, self.schedule, by, self.digest))
        Path(path).write_text(f"{text}\n")

    @property
    def digest(self) -> str:
        """A digest of the trace: equal for runs that are equal byte for byte."""
        return hashlib.blake2b(self.trace, digest_size=16).hexdigest()

    @property
    def trace(self) -> bytes:
        """Everything that was seen, line by line with its time: equal for equal arguments."""
        return "\n".join(lines(self.records)).encode()

    @property
    def shape(self) -> str:
        """A digest of what happened in which order, whatever the times: tells traces apart."""
        digest = hashlib.blake2b(digest_size=16)
        for record in self.records:
            digest.update(told(record.fact).encode())
        return digest.hexdigest()

    def story(self, broken: tuple[Broken, ...] = ()) -> str:
        """Tell the run line by line: the life of the process, the tick, what happened.

        Args:
            broken: what to point out.
        """
        told_lines = list(lines(self.records))
        for each in reversed(broken):
            told_lines.insert(each.index + 1, f"{'':8}^^^ {each.invariant}: {each.message}")
        phases = enumerate(self.scenario.phases, 1)
        plan = [f"phase {number}: {step}" for number, steps in phases for step in steps]
        found = [f"{each.invariant}: {each.message}" for each in broken]
        if self.schedule.latent:
            found.append("latent: tasks ran one at a time, as no trio of today runs them")
        again = []
        if self.replayed_by is not None:
            again = ["", f"play it again: {self.replayed_by}({self.case!r}, make_handler)"]
            again.append(f"or: {self.command}")
        return "\n".join([*found, "", *plan, "", *told_lines, *again])
