"""What a command has to pass, and what has to be known, before it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.commands import Cancel, Command, Exited, Finalise, Record, Submit
from ..errors import Rejected
from .facts import Asking, needs_facts, with_facts, with_known_receipt
from .kinds import NO_TURNS, takes_no_turns
from .mailbox import Letter, Note
from .receipts import ReceiptCache

if TYPE_CHECKING:
    from ..core.thread_state import ThreadState
    from ..journal.contract import Claim
    from .activation import Surroundings
    from .kinds import ThreadKind


class Admission:
    """Admits the commands of one activation.

    Args:
        thread: the thread's id.
        kind: its handler and policies.
        claim: the generation it writes under, and the receipts that were read with it.
        around: journal, clock and limits.
    """

    __slots__ = ("_around", "_generation", "_kind", "_thread", "receipts")

    def __init__(self, thread: str, kind: ThreadKind, claim: Claim, around: Surroundings) -> None:
        loaded, limits = claim.loaded, around.limits
        sizes = limits.receipts_in_memory, limits.key_filter_bytes
        self.receipts = ReceiptCache(*sizes, loaded.receipts, complete=not loaded.more_receipts)
        self._thread = thread
        self._kind = kind
        self._generation = claim.generation
        self._around = around

    def check(self, command: Command, *, draining: bool) -> None:
        """Refuse what is not taken at present.

        Raises:
            Rejected: `draining` for what would start a turn, `unsupported` where no kind of turn
                is taken.
        """
        if draining and isinstance(command, Submit | Finalise):
            raise Rejected("draining", "the server is shutting down")
        if self._takes_no_turns and isinstance(command, Submit):
            raise Rejected("unsupported", NO_TURNS)

    @property
    def _takes_no_turns(self) -> bool:
        return self._kind.on_turn is takes_no_turns

    def at_once(self, state: ThreadState, what: Letter | Note) -> bool:
        """Say whether that may be decided where it comes from, and need not wait for anything.

        What leads to a departure is the loop's, and so is what is rare.
        """
        if isinstance(what, Exited):
            return not what.ending.abandoned
        if not isinstance(what, Letter) or not isinstance(what.command, Submit | Record | Cancel):
            return False
        return not (self._takes_no_turns or self.needs_facts(state, what.command))

    def needs_facts(self, state: ThreadState, command: Command) -> bool:
        """Say whether the journal has to be asked before a command is decided."""
        return needs_facts(state, command, self.receipts)

    def known(self, command: Command) -> Command:
        """Return a command that needs no facts with what is known without asking."""
        return with_known_receipt(command, self.receipts)

    async def with_facts(self, state: ThreadState, command: Command) -> Command:
        """Return a command with what the journal knows; in all as `facts.with_facts`."""
        now = self._around.clock.now()
        own = Asking(self._thread, state.offset, self._generation, now)
        return await with_facts(own, command, self.receipts, self._around.journal)
