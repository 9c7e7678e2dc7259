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

from ...core.effects import Cancelled, CancelOutcome, Submitted, Truncated
from ..facts import Done, Refused
from ..operations import Attach, Cast, Compact, Delete, Detach, End, Submit
from .broken import Broken
from .sequential import Sequential

if TYPE_CHECKING:
    from ..history import Call, History, Logged

# Refusals of commands that never reached the thread, so they came before those that wait for it.
_AT_THE_DOOR: Final = frozenset({"overloaded", "forbidden", "unauthenticated", "bad_request"})

# How many events come before a command, and how many before what follows it.
Place: TypeAlias = tuple[int, int]


def one_order(history: History) -> Iterator[Broken]:
    """Find answers that were never right while their calls were under way, or came out of order."""
    by_thread: defaultdict[str, list[Call]] = defaultdict(list)
    for call in history.calls.values():
        if not isinstance(call.operation, Attach | Cast | Compact | Detach):
            by_thread[call.thread].append(call)
    for thread, calls in by_thread.items():
        yield from _Thread(history, history.logs[thread]).check(calls)


class _Thread:
    """One thread's events, and the state of the sequential thread before and behind each."""

    def __init__(self, history: History, log: Sequence[Logged]) -> None:
        self._history = history
        self._log = log
        self._stored = [event.index for event in log]
        self._states = [Sequential()]
        self._started: dict[str, int] = {}
        self._places: dict[tuple[int, int], int] = {}
        for number, event in enumerate(log, 1):
            self._states.append(self._states[-1].after(event))
            self._places[event.epoch, event.row.to] = number
            if event.type == "turn.started":
                self._started.setdefault(event.raw["turn"], number)

    def check(self, calls: Sequence[Call]) -> Iterator[Broken]:
        """Place every call, those of each client behind each other."""
        at: Counter[tuple[int, int]] = Counter()
        for call in sorted(calls, key=lambda call: call.called):
            if call.may_have_happened or call.over is None:
                continue
            places = [*self._places_of(call)]
            client = (call.client, call.life)
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
            case Submitted(turn=turn, position=position, duplicate=False):
                yield from self._accepted(call, turn, self._places.get(_key(position), 0) - 1)
            case Truncated(position=position):
                number = self._places.get(_key(position), 0)
                yield from self._effects(first, last, "thread.truncated", number)
            case Done(existed=True):
                wanted = {End: "thread.ended", Delete: "thread.deleted"}[type(call.operation)]
                yield from self._effects(first, last, wanted, None)
            case Cancelled(turn=turn, position=position) as answer:
                yield from self._cancelled(first, last, answer)
            case _:
                is_right = self._is_right(call)
                yield from ((n, n) for n in range(first, last + 1) if is_right(self._states[n]))

    def _accepted(self, call: Call, turn: str, number: int) -> Iterator[Place]:
        most = self._history.lives[call.life].limits.queued_turns
        if (
            isinstance(call.operation, Submit)
            and number >= 0
            and self._log[number].raw.get("turn") == turn
            and call.called < self._log[number].index < (call.over or 0)
            and self._before(number).accepts(call.operation, call.principal, most)
        ):
            yield number, number + 1

    def _before(self, number: int) -> Sequential:
        """Return the state in which the command was decided that led to an event."""
        created = number > 0 and self._log[number - 1].type == "thread.created"
        return self._states[number - 1 if created else number]

    def _effects(self, first: int, last: int, wanted: str, number: int | None) -> Iterator[Place]:
        for behind in range(first + 1, last + 1):
            if self._log[behind - 1].type == wanted and number in (None, behind):
                yield behind - 1, behind

    def _cancelled(self, first: int, last: int, answer: Cancelled) -> Iterator[Place]:
        """A cancel of a live turn is decided while that runs, and answered when it has ended."""
        number = self._places.get(_key(answer.position), 0 if answer.position.offset == 0 else -1)
        if answer.turn is None:
            idle = first <= number <= last and self._states[number].live is None
            yield from [(number, number)] if idle else []
            return
        for at in range(first, last + 1):
            state = self._states[at]
            if answer.turn == state.live:
                yield at, at
            elif answer.turn in state.queue and answer.outcome is CancelOutcome.CANCELLED:
                if at < last and _ends(self._log[at], answer.turn):
                    yield at, at + 1
            elif at == number and answer.outcome is CancelOutcome.ALREADY_ENDED:
                yield from [(at, at)] if _has_ended(state, answer.turn) else []

    def _is_right(self, call: Call) -> Callable[[Sequential], bool]:
        """Return whether the answer of a call without effect is right in a state."""
        answer, asked = call.answer, call.operation
        match answer:
            case Submitted(turn=turn) if isinstance(asked, Submit) and asked.key is not None:
                bound = (asked.text, turn)
                return lambda state: state.bound(asked, call.principal) == bound
            case Done():
                return lambda state: not (state.there if asked == Delete() else state.open)
            case Refused(code=code) if code in _RIGHT:
                most = self._history.lives[call.life].limits.queued_turns
                return lambda state: _RIGHT[code](state, call, most)
            case _:
                return lambda state: True

    def _unasked(self, calls: Sequence[Call]) -> Iterator[Broken]:
        """Find accepted messages that nobody sent; each call may have sent one."""
        told = {call.answer.turn for call in calls if isinstance(call.answer, Submitted)}
        open_calls = [call for call in calls if call.may_have_happened]
        for event in self._log:
            if event.type != "turn.submitted" or event.raw["turn"] in told:
                continue
            sent = next((call for call in open_calls if _sent(call, event)), None)
            if sent is None:
                yield Broken("I18", f"nobody submitted {event.raw['turn']}", event.index)
            else:
                open_calls.remove(sent)


def _sent(call: Call, event: Logged) -> bool:
    asked = call.operation
    return (
        isinstance(asked, Submit)
        and (asked.text, asked.key) == (event.raw["content"], event.raw.get("key"))
        and call.principal == event.raw["author"]
        and call.called < event.index
        and call.life == event.life
    )


def _is_exempt(call: Call) -> bool:
    """Say whether an answer tells of the runtime, or of who asked, and not of the thread."""
    if isinstance(call.answer, Refused):
        return call.answer.code in _AT_THE_DOOR
    return not isinstance(call.answer, Submitted | Cancelled | Truncated | Done)


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
    return state.live is not None and len(state.queue) >= most


def _conflicts(state: Sequential, call: Call, most: int) -> bool:
    asked = call.operation
    bound = state.bound(asked, call.principal) if isinstance(asked, Submit) else None
    return bound is not None and isinstance(asked, Submit) and bound[0] != asked.text


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
