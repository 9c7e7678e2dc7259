"""I10: what fails, fails alone: a turn, an actor that restarts, a thread that is set aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ...core.effects import Submitted
from ...delivery.batches import Detached
from ..facts import (
    Answered,
    AtRest,
    Claimed,
    Closing,
    Copied,
    CutOff,
    Drained,
    Fault,
    Opening,
    Raised,
    Refused,
    Saw,
    Struck,
    Surprise,
)
from ..service_facts import ServiceEntered, ServiceExited
from ..watched_service import STOPPED
from .access import was_shut_out
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, HandlerRun, History, Logged


def failures_stay_small(history: History) -> Iterator[Broken]:
    """Find failures without a cause, bystanders that were hit, and quarantines that were not due.

    A turn that fails ends as `turn.failed`; who else would have to suffer shows here as well.
    """
    reader = _Reader(history)
    for index, record in history.of(*_TAKE):
        yield from _TAKE[type(record.fact)](reader, index, record.at, record.fact)
    yield from _failing_turns(history)


class _Reader:
    """One reading of the records, with what the faults so far may have led to."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.bugs: defaultdict[str, list[float]] = defaultdict(list)  # by thread, in this life
        self.restarts: defaultdict[str, list[float]] = defaultdict(list)  # those, and what may be
        self.last_bug: dict[str, int] = {}
        self.damaged: set[str] = set()
        self.aside: set[str] = set()  # may have been set aside
        self.failed = -1  # since when the journal may be failed; -1 where it is not
        self.reopened = -1
        self.damages = 0  # of which threads, as often as somebody may meet them
        self.copies = 0  # of forks, in this life
        self.services = 0  # that failed too often, in this life
        self.failing: defaultdict[str, list[float]] = defaultdict(list)  # of one activation
        self.closing = False
        self.healthy = -1  # since when the journal is known to be well again
        self.released: dict[str, int] = {}

    def opening(self, index: int, at: float, fact: Opening) -> Iterator[Broken]:
        """Begin another life: what was set aside is tried again."""
        self.limits = fact.limits
        self.bugs.clear()
        self.restarts.clear()
        self.last_bug.clear()
        self.aside = set(self.damaged)
        self.damages = len(self.damaged)
        self.failed = self.reopened = -1
        self.closing = False
        self.copies = self.services = 0
        self.failing.clear()
        yield from ()

    def closed(self, index: int, at: float, fact: Closing) -> Iterator[Broken]:
        """From here on the runtime refuses and detaches everybody."""
        self.closing = True
        yield from ()

    def struck(self, index: int, at: float, fact: Struck) -> Iterator[Broken]:
        """Note a fault, and what it may lead to."""
        thread = fact.thread or ""
        match fact.fault:
            case Fault.JOURNAL:
                self.failed, self.reopened = index, -1
            case Fault.REOPENED:
                self.reopened = index
            case Fault.ACTOR:
                if not self._is_down:  # which ends every activation, also one that is to fail
                    self.bugs[thread].append(at)
                self._may_restart(thread, index, at)
            case Fault.SERVICE:
                self.services += 1
                self.aside.add(thread)
            case Fault.DAMAGE:
                self.damaged.add(thread)
                self.aside.add(thread)
                self.damages += 1
            case Fault.MENDED:
                self.damaged.discard(thread)
            case Fault.RELEASED:
                yield from self._released(thread, index)
            case _:
                pass

    def copied(self, index: int, at: float, fact: Copied) -> Iterator[Broken]:
        """Note a fork: whoever was about to write to the thread that it made has to start again."""
        self.copies += 1
        self._may_restart(fact.to, index, at)
        yield from ()

    def _may_restart(self, thread: str, index: int, at: float) -> None:
        self.restarts[thread].append(at)
        self.last_bug[thread] = index
        period = self._slack(thread) + self.limits.restart_period_seconds
        if self._too_many(self.restarts[thread], at, period):
            self.aside.add(thread)

    def _too_many(self, times: list[float], at: float, period: float) -> bool:
        recent = [time for time in times if at - time <= period]
        return len(recent) > self.limits.restart_intensity

    def _slack(self, thread: str) -> float:
        # A restart counts when the old activation is over, which its handler may put off, and its
        # service until its lease is back.
        limits, kind = self.limits, self.history.kinds.get(thread)
        served = kind is not None and kind.on_exit is not None
        return 4 * limits.cancel_grace_seconds + served * limits.lease_release_seconds

    def _released(self, thread: str, index: int) -> Iterator[Broken]:
        if thread not in self.aside:
            yield Broken("I10", f"{thread} was set aside, and nothing explains it", index)
        self.bugs[thread].clear()
        self.restarts[thread].clear()
        self.damages += thread in self.damaged
        self.released[thread] = index
        if thread not in self.damaged:
            self.aside.discard(thread)

    def claimed(self, index: int, at: float, fact: Claimed) -> Iterator[Broken]:
        """Find an activation of what ought to be set aside."""
        thread = fact.thread
        self.failing.pop(thread, None)
        # Each was counted when it struck or later, and all of them by now.
        due = self.limits.restart_period_seconds
        if thread in self.aside and self._too_many(self.bugs[thread], at, due):
            message = f"{thread} was activated once more, although its actor failed too often"
            yield Broken("I10", message, index)

    def service_entered(self, index: int, at: float, fact: ServiceEntered) -> Iterator[Broken]:
        """Find a service that is begun once more, and ought to be set aside with its thread."""
        period = self.limits.restart_period_seconds
        if self._too_many(self.failing[fact.thread], at, period):
            message = f"the service of {fact.thread} was begun anew, although it failed too often"
            yield Broken("I10", message, index)

    def service_exited(self, index: int, at: float, fact: ServiceExited) -> Iterator[Broken]:
        """Note the failure of a service."""
        if fact.error not in (None, *STOPPED):
            self.failing[fact.thread].append(at)
        yield from ()

    def answered(self, index: int, at: float, fact: Answered) -> Iterator[Broken]:
        """Find an answer that stands for a failure which nobody caused."""
        call = self.history.calls[fact.call]
        if isinstance(fact.answer, Raised):
            yield Broken("I10", f"call {call.number} raised {fact.answer.error}", index)
        elif isinstance(fact.answer, Refused):
            explained = _EXPLAINS.get(fact.answer.code)
            if explained is not None and not explained(self, call):
                message = f"call {call.number} was refused, {fact.answer.code}, for no reason"
                yield Broken("I10", message, index)
        elif isinstance(fact.answer, Submitted) and -1 < self.reopened < call.called:
            self.failed, self.healthy = -1, index

    def saw(self, index: int, at: float, fact: Saw) -> Iterator[Broken]:
        """Find viewers who were sent away although their thread was not set aside."""
        if isinstance(fact.batch, Detached) and fact.batch.reason == "failed":
            call = self.history.calls[fact.attachment]
            # One that is slow is told when the thread was given back long ago. A stream over the
            # wire has no error of its own: there it stands for an unavailable journal as well.
            unread = call.number in self.history.sent and self.is_unavailable(call)
            explained = self.closing or self.is_aside(call) or unread
            if not explained and not was_shut_out(self.history, fact.attachment, index):
                message = f"subscriber {fact.attachment} was detached by a failure"
                yield Broken("I10", message, index)

    def cut(self, index: int, at: float, fact: CutOff) -> Iterator[Broken]:
        """Find streams that broke off for no reason."""
        explained = _EXPLAINS.get(fact.code)
        if explained is None or not explained(self, self.history.calls[fact.attachment]):
            message = f"subscriber {fact.attachment} was cut off, {fact.code}, for no reason"
            yield Broken("I10", message, index)

    def drained(self, index: int, at: float, fact: Drained) -> Iterator[Broken]:
        """Find restarts and quarantines that the faults of this life do not explain."""
        bugs = [b for b in self.history.struck if b.fault is Fault.ACTOR and b.index < index]
        mine = [bug for bug in bugs if bug.life == self.history.records[index].life]
        if fact.restarts > len(mine) + self.copies + self.services + self.damages:
            message = f"{fact.restarts} actors restarted, and {len(mine)} were broken"
            yield Broken("I10", message, index)
        for thread in sorted({*fact.quarantined} - self.aside):
            yield Broken("I10", f"{thread} was set aside, and nothing explains it", index)

    @property
    def _is_down(self) -> bool:
        """Whether the journal failed, and nobody has opened it anew yet."""
        return self.failed > -1 and self.reopened < self.failed

    def at_rest(self, index: int, at: float, fact: AtRest) -> Iterator[Broken]:
        """Find a journal that failed, and that nobody opened anew."""
        if self._is_down:
            yield Broken("I10", "the journal failed, and was never opened anew", index)

    def surprised(self, index: int, at: float, fact: Surprise) -> Iterator[Broken]:
        """Find what nobody foresaw."""
        yield Broken("I10", fact.what, index)

    def is_unavailable(self, call: Call) -> bool:
        """Say whether the journal may be failed, or closed for good."""
        return self.failed > -1 or self.closing or self.healthy > call.called

    def is_aside(self, call: Call) -> bool:
        """Say whether the call's thread may have been set aside."""
        return call.thread in self.aside or self.released.get(call.thread, -1) > call.called

    def is_restarting(self, call: Call) -> bool:
        """Say whether the thread's actor failed, or was cut short, while the call was under way."""
        if self.closing or self.is_aside(call):  # whoever was under way then is told so as well
            return True
        bug = self.last_bug.get(call.thread)
        records = self.history.records
        return bug is not None and (bug > call.called or records[bug].at == records[call.called].at)

    def is_closing(self, call: Call) -> bool:
        """Say whether the runtime is about to close."""
        return self.closing


def _failing_turns(history: History) -> Iterator[Broken]:
    for run in history.runs.values():
        turn = history.turn(run.turn)
        if run.error in (None, "Cancelled") or run.attempt < len(turn.of("turn.started")):
            continue
        for ending in turn.endings:
            if ending.type == "turn.completed" and ending.life == run.life:
                message = f"{run.turn} failed with {run.error}, and is called completed"
                yield Broken("I10", message, ending.index)
            if ending.type == "turn.failed" and ending.life == run.life:
                yield from _told(run, ending)


def _told(run: HandlerRun, ending: Logged) -> Iterator[Broken]:
    """Find a failure that tells everybody what it ought to keep to the log, or keeps its words."""
    error, message = ending.raw.get("error"), ending.raw.get("message", "")
    if run.error == "TurnFailed" and run.words != f"{error}: {message}":
        yield Broken("I10", f"{run.turn} failed with {run.words}, and says {message}", ending.index)
    if run.error not in _OURS and run.words and run.words in message:
        yield Broken("I10", f"{run.turn} tells everybody what went wrong within it", ending.index)


# Whose words are for everybody.
_OURS: Final = ("TurnFailed", "TurnOver", "Rejected")


_EXPLAINS: Final[dict[str, Any]] = {
    "internal": _Reader.is_restarting,
    "thread_failed": _Reader.is_aside,
    "journal_unavailable": _Reader.is_unavailable,
    "draining": _Reader.is_closing,
}

_TAKE: Final[dict[type, Any]] = {
    Opening: _Reader.opening,
    Closing: _Reader.closed,
    Struck: _Reader.struck,
    Claimed: _Reader.claimed,
    Copied: _Reader.copied,
    ServiceEntered: _Reader.service_entered,
    ServiceExited: _Reader.service_exited,
    Answered: _Reader.answered,
    Saw: _Reader.saw,
    CutOff: _Reader.cut,
    Drained: _Reader.drained,
    AtRest: _Reader.at_rest,
    Surprise: _Reader.surprised,
}
