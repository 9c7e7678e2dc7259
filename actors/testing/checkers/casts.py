"""I14, of casts: what a service takes was cast, in this order, and nothing else is lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import define

from ...core.casting import Overflow
from ..facts import Answer, Answered, AtRest, Claimed, Done, Opening, Refused, Stored, Struck
from ..operations import Cast
from ..service_facts import Took
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, History

_READ: Final = (Answered, Opening, Claimed, Took, Stored, Struck, AtRest)
_OPENS: Final = ("thread.created", "record", "turn.submitted")
_NO_ROOM: Final = (Done(existed=False), Refused("overloaded"))
_BEYOND: Final[Mapping[Overflow, Answer]] = {
    Overflow.DROP_NEWEST: Done(existed=False),
    Overflow.REFUSE: Refused("overloaded"),
}
_CLOSES: Final = ("thread.ended", "thread.deleted")


def casts_come_in_order(history: History) -> Iterator[Broken]:
    """Find casts that were taken twice, out of order, beyond the bound, or by the wrong service.

    One that a thread's end, its failure or the policy for a full inbox stands in the way of may be
    lost; any other has to be taken.
    """
    casts = (call for call in history.calls.values() if isinstance(call.operation, Cast))
    if history.of(Took) or any(casts):
        yield from _Casts(history).read()


@define
class _Waiting:
    """A cast that was accepted and not taken yet; `must` says whether nothing excuses its loss."""

    data: Any
    must: bool


@define
class _Burst:
    """Casts of one operation: how many are to come, and how many of the others wait."""

    client: int
    thread: str
    left: int = 0
    waiting: int = 0


class _Casts:
    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: defaultdict[str, list[_Waiting]] = defaultdict(list)
        self._open: dict[str, bool] = {}
        self._closed: Counter[str] = Counter()  # that waited when a thread ended, and may still
        # The same, while their activation may break before it drops them.
        self._dropped: defaultdict[str, list[_Waiting]] = defaultdict(list)
        self._spare: Counter[tuple[str, Any]] = Counter()
        self._burst = _Burst(0, "")
        self._bound = 0

    def read(self) -> Iterator[Broken]:
        for index, record in self._history.of(*_READ):
            match record.fact:
                case Answered(call=number) if self._is_cast(number):
                    yield from self._answered(number, index)
                case Opening(limits=limits):
                    self._bound = limits.inbox_casts
                    self._waiting.clear()
                case Claimed(thread=thread):
                    del self._closed[thread]
                    self._dropped.pop(thread, None)
                case Took() as took:
                    yield from self._took(took, index)
                case Stored(thread=thread, epoch=epoch, rows=rows):
                    for row in rows:
                        self._stored(thread, self._history.at[thread, epoch, row.offset].type)
                case Struck(thread=thread):
                    self._excuse(thread)
                case AtRest():
                    yield from self._at_rest(index)
                case _:
                    pass

    def _is_cast(self, number: int) -> bool:
        return isinstance(self._history.calls[number].operation, Cast)

    def _answered(self, number: int, index: int) -> Iterator[Broken]:
        call = self._history.calls[number]
        assert isinstance(call.operation, Cast)
        waiting, burst = self._waiting[call.thread], self._burst_of(call, call.operation.times)
        if call.answer == Done(existed=True):
            must = self._open.get(call.thread, False) and not self._has_ended_itself(call.thread)
            waiting.append(_Waiting(call.operation.wish, must))
            burst.waiting += 1
            if self._history.kinds[call.thread].overflow is Overflow.DROP_OLDEST:
                self._drop_oldest(waiting, burst)
            elif burst.waiting > self._bound:
                yield Broken("I12", f"call {number}: more casts wait than there is room for", index)
        elif call.answer in _NO_ROOM and call.answer != self._beyond(call.thread):
            message = f"call {number} is answered {call.answer}, which is not the thread's policy"
            yield Broken("I14", message, index)
        elif call.answer in _NO_ROOM and len(waiting) + self._closed[call.thread] < self._bound:
            yield Broken("I14", f"call {number} found no room, and there was some", index)

    def _beyond(self, thread: str) -> Answer | None:
        """Return what a cast is told that does not fit; None where each one is taken."""
        return _BEYOND.get(self._history.kinds[thread].overflow or Overflow.REFUSE)

    def _burst_of(self, call: Call, times: int) -> _Burst:
        """Return the burst that a cast belongs to: nobody takes any until it is over."""
        burst = self._burst
        if (burst.client, burst.thread) != (call.client, call.thread) or burst.left == 0:
            self._burst = burst = _Burst(call.client, call.thread, times)
        burst.left -= 1
        return burst

    def _drop_oldest(self, waiting: list[_Waiting], burst: _Burst) -> None:
        # Whether those from before the burst were taken by then may show only later.
        for cast in waiting[: -self._bound]:
            cast.must = False
        if burst.waiting > self._bound:
            del waiting[len(waiting) - burst.waiting]
            burst.waiting -= 1

    def _has_ended_itself(self, thread: str) -> bool:
        return any(s.thread == thread and s.ended_itself for s in self._history.services.values())

    def _took(self, took: Took, index: int) -> Iterator[Broken]:
        waiting = self._waiting[took.thread]
        place = next((n for n, cast in enumerate(waiting) if cast.data == took.data), None)
        if place is None:
            message = f"{took.thread} took {took.data!r}, and no such cast waited"
            yield Broken("I14", message, index)
            return
        if self._are_missed(took.thread, waiting[:place]):
            yield Broken("I14", f"{took.thread} took a cast, and not the one before it", index)
        self._spare[took.thread, took.data] += not waiting[place].must
        del waiting[: place + 1]

    def _are_missed(self, thread: str, casts: list[_Waiting]) -> bool:
        """Say whether casts ought to have been taken; equal ones cannot be told apart."""
        due = Counter(cast.data for cast in casts if cast.must)
        return any(count > self._spare[thread, data] for data, count in due.items())

    def _stored(self, thread: str, sort: str) -> None:
        if sort in _CLOSES:
            self._open[thread] = False
            self._closed[thread] += len(self._waiting[thread])
            self._dropped[thread] += self._waiting.pop(thread, [])
        elif sort in _OPENS:
            self._open[thread] = True

    def _excuse(self, thread: str | None) -> None:
        threads = [*{**self._waiting, **self._dropped}] if thread is None else [thread]
        for each in threads:
            self._waiting[each][:0] = self._dropped.pop(each, [])
        for cast in (cast for each in threads for cast in self._waiting[each]):
            cast.must = False

    def _at_rest(self, index: int) -> Iterator[Broken]:
        for thread, waiting in self._waiting.items():
            if self._are_missed(thread, waiting):
                yield Broken("I14", f"what was cast to {thread} was never taken", index)
