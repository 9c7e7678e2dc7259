"""The pure core driven without trio: commands in, events folded, as a shell would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from actors.core.apply import restore
from actors.core.commands import (
    Cancel,
    Command,
    Ending,
    Exited,
    OnBusy,
    Recover,
    Say,
    Submit,
    Truncate,
    Truncation,
)
from actors.core.decide import Decision, decide
from actors.core.effects import DecideAgain, StopTurn
from actors.core.event_codec import decode
from actors.core.events import Entry, TurnDelta, TurnItem, turn_of
from actors.core.head import Cut, Settled
from actors.core.items import item_id, item_owner
from actors.core.merge import merge_entries
from actors.core.projections import fold_turn
from actors.core.step import Step, take_step
from actors.core.thread_state import ThreadState
from actors.core.turn_lifecycle import TurnState
from actors.errors import Rejected
from actors.limits import Limits

if TYPE_CHECKING:
    from actors.core.turn_view import TurnView

EPOCH = 7
LIMITS = Limits(queued_turns=3)
COMPLETED = Ending(TurnState.COMPLETED)


def submit(turn: str, **more: Any) -> Submit:
    """A submit by `ann`, saying its own turn's name unless told otherwise."""
    return Submit(**{"turn": turn, "principal": "ann", "content": f"ask {turn}", **more})


def text(turn: str, number: int, text: str, channel: str | None = None) -> TurnDelta:
    return TurnDelta(turn, item_id(turn, number), text, channel)


@define
class CoreShell:
    """One thread: its state, its log, and what its turns were told to end as."""

    state: ThreadState = field(factory=lambda: ThreadState(epoch=EPOCH))
    now: float = 1000.0
    entries: list[Entry] = field(factory=list)  # of the present life
    parts: list[Settled] = field(factory=list)  # that no truncation hid
    stopping: dict[str, Ending] = field(factory=dict)
    held: Command | None = None

    def do(self, command: Command) -> Step:
        """Decide a command and fold what comes of it; raises as `decide`."""
        self.now += 1.0
        decision = decide(self.state, command, self.now, LIMITS)
        return self._take(command, decision)

    def tries(self, command: Command) -> bool:
        """Do a command; False where it was refused."""
        try:
            self.do(command)
        except Rejected:
            return False
        return True

    def say(self, *pieces: TurnDelta | TurnItem) -> None:
        """The live turn says something, each delta as many offsets wide as it has characters."""
        assert self.state.live is not None
        widths = tuple(len(p.text) if isinstance(p, TurnDelta) else 1 for p in pieces)
        self.do(Say(self.state.live.turn, tuple(zip(pieces, widths, strict=True))))

    def exits(self, ending: Ending = COMPLETED, *, start_next: bool = True) -> None:
        """The live turn's scope exits; an ending that was decided before wins."""
        assert self.state.live is not None
        turn = self.state.live.turn
        self.do(Exited(turn, self.stopping.pop(turn, ending), start_next))
        if self.held is not None:
            held, self.held = self.held, None
            self.do(held)

    def cut_after(self, item: str | None) -> Cut | None:
        """What a truncation after an item leaves; None where there is no such item."""
        if item is None:
            return Cut(0, 0, self._records())
        for part in self.parts:
            ids = [each.item for each in part.items]
            if part.state is not None and item in ids:
                stay = sum(len(p.items) for p in self.parts if p.place < part.place)
                return Cut(part.place, item_owner(item)[1], stay + ids.index(item) + 1)
        return None

    def truncate(self, item: str | None) -> bool:
        """Truncate after an item; False where that is refused."""
        cut = self.cut_after(item)
        return cut is not None and self.tries(Truncate(truncate=Truncation(item), cut=cut))

    def _records(self) -> int:
        return sum(len(part.items) for part in self.parts if part.state is None)

    def _take(self, command: Command, decision: Decision) -> Step:
        step = take_step(self.state, decision, self.now)
        self.state = step.state
        self.entries += [decode(row) for row in step.rows]
        self._hide(step.cut)
        self.parts = sorted([*self.parts, *step.settled], key=lambda part: part.place)
        for effect in step.effects:
            if isinstance(effect, StopTurn):
                self.stopping.setdefault(effect.turn, effect.ending)
            if isinstance(effect, DecideAgain):
                self.held = command
        if step.deletes:
            self.entries, self.parts, self.stopping = [], [], {}
        return step

    def _hide(self, cut: Cut | None) -> None:
        if cut is None:
            return
        left = [part for part in self.parts if part.state is None or part.place <= cut.place]
        self.parts = [_kept(part, cut) if part.place == cut.place else part for part in left]

    # What has to hold at any time.

    def restored(self, *, merged: bool = False) -> ThreadState:
        """The state as a restart would have it."""
        head = self.state.head
        rows = [
            e for e in self.entries if head.open_from is not None and e.offset >= head.open_from
        ]
        return restore(head, merge_entries(rows, 1 << 20) if merged else rows)

    def entries_of(self, turn: str) -> list[Entry]:
        return [entry for entry in self.entries if turn_of(entry.event) == turn]

    def check(self) -> None:
        assert plain(self.restored()) == plain(self.state)
        assert plain(self.restored(merged=True)) == plain(self.state)
        assert self.state.transcript_items == sum(len(part.items) for part in self.parts)
        live = () if self.state.live is None else (self.state.live,)
        for turn in (*live, *self.state.queue):
            assert fold_turn(self.entries_of(turn.turn)) == turn.view.items()


def _kept(part: Settled, cut: Cut) -> Settled:
    items = tuple(item for item in part.items if item_owner(item.item)[1] <= cut.keep)
    return Settled(part.place, part.owner, part.first, part.last, part.ended_at, part.state, items)


def plain(state: ThreadState) -> dict[str, Any]:
    """A state as flat values: texts that grew by pieces compare by what they say."""
    live = state.live
    return {
        "head": state.head,
        "live": live
        and (live.turn, _view(live.view), live.first, live.place, live.attempt, live.metadata),
        "queue": [(q.turn, _view(q.view), q.first, q.supersedes, q.metadata) for q in state.queue],
    }


def _view(view: TurnView) -> tuple[Any, ...]:
    return (view.items(), view.numbered)


def running(*queued: Submit, turn: str = "a", **more: Any) -> CoreShell:
    """A thread with a live turn, and turns queued behind it."""
    shell = CoreShell()
    shell.do(submit(turn, **more))
    for each in queued:
        shell.do(each)
    return shell


def queue(turn: str, **more: Any) -> Submit:
    return submit(turn, on_busy=OnBusy.QUEUE, **more)


__all__ = [
    "COMPLETED",
    "EPOCH",
    "LIMITS",
    "Cancel",
    "CoreShell",
    "Recover",
    "plain",
    "queue",
    "running",
    "submit",
    "text",
]
