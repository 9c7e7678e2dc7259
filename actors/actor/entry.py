"""What the registry keeps of one thread that somebody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import define

from ..delivery.attendance import Attendance
from ..delivery.tail import Tail
from .actor import Actor
from .inbox import CastBox
from .mailbox import Mailbox

if TYPE_CHECKING:
    from ..errors import Rejected
    from ..limits import Limits
    from .kinds import ThreadKind


@define(eq=False)
class ThreadEntry:
    """What the registry keeps of one thread.

    Args:
        thread: its id.
        mailbox: the commands that wait for its actor.
        tail: its newest events, and who watches it.
        active: whether a task supervises it; that task alone sets it to False.
        box: what was cast to it and waits for its service; None where nothing was as yet.
        actor: its present activation.
        quarantined: why it was set aside, in a sentence; None where it was not.
        kept: how many tasks of its attendance run.
        stale: whether somebody else than its actor began the thread, as a fork does: the next
            activation shows it.
        is_settled: whether nothing is open that an earlier activation left, or nobody sees to it.
        attendance: who is attached; None where nobody was as yet.
    """

    thread: str
    mailbox: Mailbox
    tail: Tail
    active: bool = False
    box: CastBox | None = None
    actor: Actor | None = None
    quarantined: str | None = None
    kept: int = 0
    stale: bool = False
    is_settled: bool = True
    attendance: Attendance | None = None
    _settling: trio.Event | None = None

    @property
    def has_work(self) -> bool:
        """Whether a command or a cast waits, or something is to be shown."""
        cast = self.box is not None and bool(len(self.box))
        return self.stale or cast or bool(len(self.mailbox))

    async def settled(self) -> None:
        """Wait until what was left open is settled, durably, or the activation is over.

        Cancellation is harmless.
        """
        if not self.is_settled:
            self._settling = self._settling or trio.Event()
            await self._settling.wait()

    def note_settled(self) -> None:
        """Let those go on who wait in `settled`."""
        self.is_settled = True
        if self._settling is not None:
            self._settling.set()
            self._settling = None

    def box_for(self, kind: ThreadKind, limits: Limits) -> CastBox:
        """Return where casts wait, made with the first one."""
        if self.box is None:
            self.box = CastBox(limits.inbox_casts, limits.inbox_bytes, kind.overflow)
        return self.box

    def refuse_waiting(self, refusal: Rejected) -> None:
        """Refuse every command and every cast that waits."""
        for letter in self.mailbox.take_all():
            letter.reply(refusal)
        if self.box is not None:
            self.box.refuse_all(refusal)
