"""I18: there is one order of all commands in which every answer is right, and a client's own holds.

The order of the effects is that of the thread's events on disk. What is looked for is a place among
them for everything else: a refusal, a receipt given again, a cancel of nothing. Each must be right
there, between the call and its answer, and behind what its client sent before. Calls without effect
do not touch each other, so the first place that fits is as good as any, and the search is linear.

Calls without an answer, or with one that leaves it open, may have taken effect or not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...core.effects import (
    Cancelled,
    CancelOutcome,
    ForkReceipt,
    RecordReceipt,
    Submitted,
    Truncated,
)
from ..facts import Done, Refused
from ..history import FORKED
from ..operations import (
    NOTE,
    REMARK,
    Attach,
    Cast,
    Compact,
    Delete,
    Detach,
    End,
    Finalise,
    Fork,
    ListThreads,
    Open,
    ReadPage,
    Submit,
    Truncate,
)
from .broken import Broken
from .keyed import asked_for, fits, given_by, key_of, may_be_of, may_say, told_of
from .sequential import Sequential

if TYPE_CHECKING:
    from ..history import Call, History, Logged
    from .keyed import Given

# Refusals of commands that never reached the thread, so they came before those that wait for it.
_AT_THE_DOOR: Final = frozenset({"overloaded", "forbidden", "unauthenticated", "bad_request"})

# What clients record; anything else is a service's, or a handler's.
_CLIENTS: Final = (NOTE, REMARK)
# How many events come before a command, and how many before what follows it.
Place: TypeAlias = tuple[int, int]
# What is no command to a thread, or is judged elsewhere.
_OTHERS: Final = (Attach, Cast, Compact, Detach, ListThreads, Open, ReadPage)


def one_order(history: History) -> Iterator[Broken]:
    """Find answers that were never right while their calls were under way, or came out of order."""
    by_thread: defaultdict[str, list[Call]] = defaultdict(list)
    for call in history.calls.values():
        if not isinstance(call.operation, _OTHERS):
            by_thread[call.thread].append(call)
    for thread, calls in by_thread.items():
        log = sorted([*history.logs[thread], *history.forks[thread]], key=lambda e: e.index)
        yield from _Thread(history, log).check(calls)


class _Thread:
    """One thread's events, and the state of the sequential thread before and behind each."""

    def __init__(self, history: History, log: Sequence[Logged]) -> None:
        self._history = history
        self._log = log
        self._stored = [event.index for event in log]
        self._states = [Sequential()]
        self._started: dict[str, int] = {}
        self._places: dict[tuple[int, int], int] = {}
        self._heads = [(0, 0)]  # the place that an answer names before and behind each
        self._forks: dict[Given, int] = {}
        for number, event in enumerate(log, 1):
            self._states.append(self._states[-1].after(event))
            if event.type == FORKED:
                self._forks[event.raw["to"], *event.raw["made"]] = number
                self._heads.append(self._heads[-1])
            else:
                self._places[event.epoch, event.row.to] = number
                self._heads.append((event.epoch, event.row.to))
            if event.type == "turn.started":
                self._started.setdefault(event.raw["turn"], number)

    def check(self, calls: Sequence[Call]) -> Iterator[Broken]:
        """Place every call, those of each client, or of each connection, behind each other."""
        at: Counter[tuple[int, int, int]] = Counter()
        for call in sorted(calls, key=lambda call: call.called):
            if call.may_have_happened or call.over is None:
                continue
            places = [*self._places_of(call)]
            client = (call.client, call.life, self._history.sent.get(call.number, 0))
            place = next((p for p in places if p[0] >= at[client]), None)
            if place is not None:
                at[client] = place[1]
            elif not _is_exempt(call):
                late = "behind those that its client had sent before" if places else "at any time"
                message = f"call {call.number} could not be answered so {late}"
                yield Broken("I18", message, call.over)
        yield from self._unasked(calls)

    def _places_of(self, call: Call) -> Iterator[Place]:
        """Yield where the answer of a call is right, first place first."""
        first = bisect_left(self._stored, call.called)
        last = bisect_left(self._stored, call.over or 0)
        match call.answer:
            case Submitted(duplicate=False) | RecordReceipt(duplicate=False) as answer:
                yield from self._accepted(call, self._places.get(_key(answer.position), 0) - 1)
            case ForkReceipt(duplicate=False):
                yield from self._accepted(call, self._forks.get(given_by(call), 0) - 1)
            case Truncated(position=position):
                number = self._places.get(_key(position), 0)
                yield from self._effects(first, last, "thread.truncated", number)
            case Done(existed=True):
                wanted = {End: "thread.ended", Delete: "thread.deleted"}[type(call.operation)]
                places = self._effects(first, last, wanted, None)
                yield from (place for place in places if self._deletes(call, place))
            case Cancelled() as answer:
                yield from self._cancelled(first, last, answer)
            case _:
                is_right = self._is_right(call)
                yield from ((n, n) for n in range(first, last + 1) if is_right(self._states[n]))

    def _accepted(self, call: Call, number: int) -> Iterator[Place]:
        if (
            number >= 0
            and may_say(told_of(self._log[number]), call)
            and call.called < self._log[number].index < (call.over or 0)
            and self._accepts(call, self._states[self._beginning(call, number)])
        ):
            yield number, number + 1

    def _accepts(self, call: Call, state: Sequential) -> bool:
        """Say whether a command with a receipt of its own is taken in a state."""
        if state.bound(call) is not None:
            return False
        match call.operation:
            case Finalise() if state.finalised or not state.there:
                return False
            case Submit() | Finalise() as asked:
                return state.has_room(asked, self._history.lives[call.life].limits.queued_turns)
            case Fork():
                return state.there and not state.busy
            case _:
                return True

    def _beginning(self, call: Call, number: int) -> int:
        """Return the place at which the call was decided that led to an event."""
        if _truncation_of(call) is not None and self._comes_behind("thread.truncated", number):
            number -= 1
        return number - 1 if self._comes_behind("thread.created", number) else number

    def _comes_behind(self, type: str, number: int) -> bool:
        return number > 0 and self._log[number - 1].type == type

    def _effects(self, first: int, last: int, wanted: str, number: int | None) -> Iterator[Place]:
        for behind in range(first + 1, last + 1):
            if self._log[behind - 1].type == wanted and number in (None, behind):
                yield behind - 1, behind

    def _deletes(self, call: Call, place: Place) -> bool:
        """Say whether it may be that call which left a place behind: some spare what is in use."""
        state = self._states[place[0]]
        used = state.busy or bool(state.settled)
        return call.operation != Delete(unless_used=True) or not used

    def _cancelled(self, first: int, last: int, answer: Cancelled) -> Iterator[Place]:
        """A cancel of a live turn is decided while that runs, and answered when it has ended."""
        for at in range(first, last + 1):
            state, is_there = self._states[at], self._heads[at] == _key(answer.position)
            if answer.turn is None:
                yield from [(at, at)] if is_there and state.live is None else []
            elif answer.turn == state.live:
                yield at, at
            elif answer.turn in state.queue and answer.outcome is CancelOutcome.CANCELLED:
                if at < last and _ends(self._log[at], answer.turn):
                    yield at, at + 1
            elif is_there and answer.outcome is CancelOutcome.ALREADY_ENDED:
                yield from [(at, at)] if _has_ended(state, answer.turn) else []

    def _is_right(self, call: Call) -> Callable[[Sequential], bool]:
        """Return whether the answer of a call without effect is right in a state."""
        answer, asked = call.answer, call.operation
        match answer:
            case Submitted() if asked == Finalise():
                return lambda state: state.finalised
            case Submitted() | RecordReceipt() | ForkReceipt() if key_of(call) is not None:
                return lambda state: may_say(state.bound(call), call)
            case Done() if asked == Delete(unless_used=True):
                return lambda state: True  # records are content as well
            case Done():
                return lambda state: not (state.there if asked == Delete() else state.open)
            case Refused(code=code) if code in _RIGHT:
                most = self._history.lives[call.life].limits.queued_turns
                return lambda state: _RIGHT[code](state, call, most)
            case _:
                return lambda state: True

    def _unasked(self, calls: Sequence[Call]) -> Iterator[Broken]:
        """Find accepted messages that nobody sent; each call may have sent one."""
        told = {given_by(call) for call in calls}
        open_calls = [call for call in calls if call.may_have_happened]
        for event in self._log:
            accepted = told_of(event)
            if accepted is None or event.copied or event.type == FORKED or accepted[1] in told:
                continue
            if accepted[0][0] == "record" and accepted[0][1] not in _CLIENTS:  # by a service
                continue
            sent = next((call for call in open_calls if _sent(call, event)), None)
            if sent is None:
                what = event.raw.get("turn", "the record")
                yield Broken("I18", f"nobody submitted {what}", event.index)
            else:
                open_calls.remove(sent)


def _truncation_of(call: Call) -> Truncate | None:
    return call.operation.first if isinstance(call.operation, Submit) else None


def _sent(call: Call, event: Logged) -> bool:
    said = told_of(event)
    return (
        said is not None
        and fits(said[0], call)
        and may_be_of(event, call)
        and call.called < event.index
        and call.life == event.life
    )


def _is_exempt(call: Call) -> bool:
    """Say whether an answer tells of the runtime, or of who asked, and not of the thread."""
    if isinstance(call.answer, Refused):
        return call.answer.code in _AT_THE_DOOR
    known = Submitted | RecordReceipt | ForkReceipt | Cancelled | Truncated | Done
    return not isinstance(call.answer, known)


def _key(position: Any) -> tuple[int, int]:
    return position.epoch, position.offset


def _ends(event: Logged, turn: str) -> bool:
    return event.ends and event.raw["turn"] == turn


def _has_ended(state: Sequential, turn: str) -> bool:
    return turn in state.settled or turn in state.rolled_back


def _in_progress(state: Sequential, call: Call, most: int) -> bool:
    turn = call.answer.turn if isinstance(call.answer, Refused) else None
    return turn == (state.live or next(iter(state.queue), None))


def _is_full(state: Sequential, call: Call, most: int) -> bool:
    asked = call.operation
    return isinstance(asked, Submit | Finalise) and not state.has_room(asked, most)


def _conflicts(state: Sequential, call: Call, most: int) -> bool:
    bound = state.bound(call)
    return bound is not None and bound[0] != asked_for(call)


def _is_absent(state: Sequential, call: Call, most: int) -> bool:
    return not state.there


def _is_unknown(state: Sequential, call: Call, most: int) -> bool:
    known = {state.live, *state.queue, *state.settled}
    return state.there and call.argument not in known


# When a refusal is right: the state, the call, and how many turns may wait.
_RIGHT: Final[dict[str, Callable[[Sequential, Call, int], bool]]] = {
    "turn_in_progress": _in_progress,
    "queue_full": _is_full,
    "idempotency_conflict": _conflicts,
    "thread_not_found": _is_absent,
    "turn_not_found": _is_unknown,
}
