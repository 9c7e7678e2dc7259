"""The facts that a command needs from the journal before it can be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from ..core.commands import FINALISING, Cancel, Command, Finalise, Fork, Record, Submit, Truncate
from ..core.head import Life, Receipt
from ..journal.contract import Copy

if TYPE_CHECKING:
    from ..core.thread_state import ThreadState
    from ..journal.contract import Journal
    from .receipts import ReceiptCache


@frozen
class Asking:
    """The actor that asks.

    Args:
        thread: its thread.
        offset: of the thread's head.
        claim: the generation that the actor writes under.
        now: Unix seconds.
    """

    thread: str
    offset: int
    claim: int
    now: float


def needs_facts(state: ThreadState, command: Command, receipts: ReceiptCache) -> bool:
    """Say whether `with_facts` would have to ask the journal."""
    if state.life is Life.ABSENT:
        return False
    match command:
        case Submit(key=key, principal=principal, truncate=truncate):
            cuts = truncate is not None and state.live is None
            return cuts or (key is not None and receipts.is_in_doubt(principal, key))
        case Record(key=key, principal=principal):
            return key is not None and receipts.is_in_doubt(principal, key)
        case Finalise():
            return True
        case Fork(key=key, principal=principal):
            return not state.busy and (key is None or receipts.find(principal, key) is None)
        case Cancel(turn=turn):
            live = state.live.turn if state.live else None
            return turn is not None and turn != live and state.queued(turn) is None
        case _:
            return isinstance(command, Truncate) and state.live is None


async def with_facts(
    own: Asking, command: Command, receipts: ReceiptCache, journal: Journal
) -> Command:
    """Return the command with what the journal knows; everything decided must be durable by now.

    The copy of a fork is durable by then as well.

    Raises:
        Rejected: `item_not_found`, where the command cuts after an item that is not there; and as
            `Journal.fork`.
        JournalError: as the journal does.

    Cancellation changes nothing, but that the copy of a fork may be durable.
    """
    thread = own.thread
    match command:
        case Fork():
            return await _with_copy(own, command, receipts, journal)
        case Submit():
            return await _submit_with_facts(thread, command, receipts, journal)
        case Record():
            return evolve(command, prior=await _prior(thread, command, receipts, journal))
        case Finalise():
            settled = await journal.settled(thread, FINALISING)
            return evolve(command, settled=settled is not None)
        case Cancel(turn=str(turn)):
            return evolve(command, settled=await journal.settled(thread, turn) is not None)
        case Truncate(truncate=truncate):
            return evolve(command, cut=await journal.locate(thread, truncate.after))
        case _:
            return command


def with_known_receipt(command: Command, receipts: ReceiptCache) -> Command:
    """Return a command with the receipt that the cache has for its key."""
    if isinstance(command, Submit | Record | Fork) and command.key is not None:
        return evolve(command, prior=receipts.find(command.principal, command.key))
    return command


async def _submit_with_facts(
    thread: str, command: Submit, receipts: ReceiptCache, journal: Journal
) -> Submit:
    prior = await _prior(thread, command, receipts, journal)
    if prior is not None:
        return evolve(command, prior=prior)
    if command.truncate is not None:
        cut = await journal.locate(thread, command.truncate.after)
        return evolve(command, cut=cut)
    return command


async def _with_copy(
    own: Asking, command: Fork, receipts: ReceiptCache, journal: Journal
) -> Command:
    prior = await _prior(own.thread, command, receipts, journal)
    if prior is not None:
        return evolve(command, prior=prior)
    receipt = None
    if command.key is not None:
        who = command.principal, command.key, command.digest()
        receipt = Receipt(*who, turn=None, offset=own.offset, at=own.now)
    made = await journal.fork(
        Copy(
            thread=own.thread,
            generation=own.claim,
            to=command.to,
            after=command.after,
            at=own.now,
            receipt=receipt,
        )
    )
    noted = None if receipt is None else evolve(receipt, forked=made)
    return evolve(command, made=made, receipt=noted)


async def _prior(
    thread: str, command: Submit | Record | Fork, receipts: ReceiptCache, journal: Journal
) -> Receipt | None:
    if command.key is None:
        return None
    who = command.principal, command.key
    return (
        await journal.receipt(thread, *who) if receipts.is_in_doubt(*who) else receipts.find(*who)
    )
