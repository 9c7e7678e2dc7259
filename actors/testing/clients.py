"""Clients: they carry out the steps of a scenario, and remember what clients remember."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import trio
from attrs import define

from ..core.commands import Truncation
from ..core.effects import ForkReceipt, Submitted
from ..core.items import item_id
from ..core.position import parse_cursor
from ..delivery.batches import Snapshot
from ..errors import JournalCorrupt, JournalUnavailable, Rejected
from ..handles import LOCAL
from .facts import (
    Answer,
    Answered,
    Attached,
    Called,
    CutOff,
    Done,
    Left,
    Raised,
    Refused,
    Saw,
    Surprise,
)
from .operations import (
    Attach,
    Cancel,
    Cast,
    Compact,
    Cursor,
    Delete,
    Detach,
    End,
    Finalise,
    Fork,
    Place,
    Record,
    Submit,
    Target,
    Truncate,
)

if TYPE_CHECKING:
    from ..delivery.subscription import Subscription
    from ..runtime import Runtime
    from .process import Process
    from .scenario import Step
    from .world import World


@define(eq=False)
class _Attachment:
    """A subscriber at work: its place, the call that attached it, the scope that it reads in."""

    place: tuple[int, str]
    call: int
    scope: trio.CancelScope
    answered: trio.Event


class Clients:
    """All clients of a run.

    Args:
        world: where they live.
        nursery: where their subscribers read.

    Attributes:
        cursors: what each (client, thread) was given, oldest first.
        principals: whom a client speaks for, where that is somebody.
    """

    def __init__(self, world: World, nursery: trio.Nursery) -> None:
        self.cursors: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self._world = world
        self._nursery = nursery
        self._turns: defaultdict[str, list[str]] = defaultdict(list)
        self._shown: dict[str, str] = {}
        self._attached: dict[tuple[int, str], _Attachment] = {}
        self.principals: dict[int, str] = {}

    async def perform(self, process: Process, step: Step) -> None:
        """Carry out one step, and note what was asked and what came of it."""
        match step.operation:
            case Attach(cursor=cursor):
                await self.attach(process, step, self._cursor(step, cursor))
            case Detach():
                call = self._note_call(process, step, None)
                existed = self._detach(process, step)
                process.note(Answered(call, Done(existed)))
            case Cast(times=times):
                for _ in range(times):
                    await self._command(process, step)
            case Submit(waits=False) | Cancel(waits=False):
                self._nursery.start_soon(self._command, process, step)
            case _:
                await self._command(process, step)

    def is_attached(self, client: int, thread: str) -> bool:
        """Say whether the client watches the thread."""
        return (client, thread) in self._attached

    @property
    def threads(self) -> list[str]:
        """The threads that were ever spoken to about turns."""
        return list(self._turns)

    # Commands

    async def _command(self, process: Process, step: Step) -> None:
        argument = self._argument(step)
        call = self._note_call(process, step, argument)
        with process.connection():
            answer = await _answer(process.runtime, step, argument)
            process.note(Answered(call, answer))
            match answer, step.operation:
                case Submitted(turn=turn, duplicate=False), _:
                    self._turns[step.thread].append(turn)
                case ForkReceipt(duplicate=False), Fork(to=to):
                    self._turns[to] += self._turns[step.thread]
                case _:
                    pass

    def _note_call(self, process: Process, step: Step, argument: str | None) -> int:
        call = self._world.recorder.next_call()
        process.note(Called(call, step.client, step.thread, step.operation, argument))
        return call

    def _argument(self, step: Step) -> str | None:
        turns = self._turns[step.thread] or ["t0"]
        match step.operation:
            case Cancel(target=Target.NEWEST):
                return turns[-1]
            case Cancel(target=Target.EARLIER):
                return turns[-2:][0]
            case Cancel(target=Target.UNKNOWN):
                return "t0"
            case (
                Truncate(clear=False)
                | Submit(first=Truncate(clear=False))
                | Fork(place=Place.MESSAGE)
            ):
                return item_id(turns[-1], 0)
            case Fork(place=Place.EARLIER):
                return item_id(turns[-2:][0], 0)
            case Fork(place=Place.SHOWN):
                return self._shown.get(step.thread, item_id(turns[-1], 0))
            case Fork(place=Place.UNKNOWN):
                return item_id("t0", 0)
            case _:
                return None

    # Subscribers

    def _cursor(self, step: Step, cursor: Cursor) -> str | None:
        held = self.cursors[step.client, step.thread]
        if cursor is Cursor.NONE or not held:
            return None
        newest = parse_cursor(held[-1])
        match cursor:
            case Cursor.STALE:
                return held[0]
            case Cursor.AHEAD:
                return f"{newest.epoch}.{newest.offset + 1000}"
            case Cursor.FOREIGN:
                return f"{newest.epoch + 1000}.{newest.offset}"
            case Cursor.UNREADABLE:
                return "no cursor"
            case _:
                return held[-1]

    async def attach(self, process: Process, step: Step, cursor: str | None) -> None:
        """Watch a thread from a cursor on, and wait for the answer."""
        self._detach(process, step)
        call = self._note_call(process, step, cursor)
        answered = trio.Event()
        place = (step.client, step.thread)
        attachment = _Attachment(place, call, trio.CancelScope(), answered)
        self._attached[place] = attachment
        self._nursery.start_soon(self._watch, process, attachment, cursor)
        await answered.wait()

    def _detach(self, process: Process, step: Step) -> bool:
        attachment = self._attached.pop((step.client, step.thread), None)
        if attachment is None:
            return False
        process.note(Left(attachment.call))
        attachment.scope.cancel()
        return True

    async def _watch(self, process: Process, attachment: _Attachment, cursor: str | None) -> None:
        client, name = attachment.place
        thread = process.runtime.thread(name, self.principals.get(client, LOCAL))
        try:
            with process.connection(), attachment.scope:
                async with thread.attach(cursor) as subscription:
                    self._note_attached(process, attachment, subscription)
                    await self._read(process, attachment, subscription)
        except Exception as exc:  # whatever it is, it is what the run has found
            self._note_failed(process, attachment, exc)
        finally:
            attachment.answered.set()
            if self._is_current(attachment):
                del self._attached[attachment.place]
                process.note(Left(attachment.call))

    async def _read(
        self, process: Process, attachment: _Attachment, subscription: Subscription
    ) -> None:
        async for batch in subscription:
            if not self._is_current(attachment):
                return
            process.note(Saw(attachment.call, batch))
            self.cursors[attachment.place].append(batch.cursor)
            if isinstance(batch, Snapshot) and batch.items:
                self._shown[batch.thread] = batch.items[-1].item
            await self._world.pause()

    def _is_current(self, attachment: _Attachment) -> bool:
        return self._attached.get(attachment.place) is attachment

    def _note_attached(
        self, process: Process, attachment: _Attachment, subscription: Subscription
    ) -> None:
        plan = subscription.plan
        answer = Attached(plan.mode, plan.reason, subscription.position)
        process.note(Answered(attachment.call, answer))
        attachment.answered.set()

    def _note_failed(self, process: Process, attachment: _Attachment, exc: Exception) -> None:
        refusal = _refusal(exc)
        if not attachment.answered.is_set():
            process.note(Answered(attachment.call, refusal))
        elif isinstance(refusal, Refused):
            process.note(CutOff(attachment.call, refusal.code))
        else:
            process.note(Surprise(f"subscriber {attachment.call} got {exc!r}"))


async def _answer(runtime: Runtime, step: Step, argument: str | None) -> Answer:
    thread = runtime.thread(step.thread)
    try:
        match step.operation:
            case Submit(text=text, key=key, on_busy=on_busy, along=along, first=first):
                cut = None if first is None else Truncation(argument)
                more = {"truncate": cut, **along.more}
                return await thread.submit(text, key=key, on_busy=on_busy, **more)
            case Cancel(rollback=rollback):
                return await thread.cancel(argument, rollback=rollback)
            case Truncate():
                return await thread.truncate(argument)
            case Record(number=number, key=key, kind=kind):
                return await thread.record(kind, number, key=key)
            case Fork(to=to, key=key):
                return await thread.fork(to, after=argument, key=key)
            case Finalise():
                return await thread.finalise()
            case End():
                return Done(await thread.end())
            case Delete(unless_used=unless_used):
                return Done(await thread.delete(unless_used=unless_used))
            case Cast(wish=wish):
                return Done(thread.cast("wish", wish))
            case Compact():
                return Done(await runtime.compact(everything=True) > 0)
            case _:
                raise AssertionError(f"no command: {step}")
    except Exception as exc:  # whatever it is, it is what the run has found
        return _refusal(exc)


def _refusal(exc: Exception) -> Refused | Raised:
    if isinstance(exc, Rejected):
        return Refused(exc.code, exc.details.get("turn"))
    if isinstance(exc, JournalUnavailable):
        return Refused("journal_unavailable")
    if isinstance(exc, JournalCorrupt):
        return Refused("thread_failed")
    return Raised(repr(exc))
