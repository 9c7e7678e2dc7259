"""The committer: takes a thread's decisions to disk in order, and shows them once durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..core.position import Position
from ..sleeper import Sleeper
from .outbox import append_of, replies_of, take_batch

if TYPE_CHECKING:
    from ..core.thread_state import ThreadState
    from ..delivery.folding import Folding
    from ..delivery.tail import Tail
    from ..journal.contract import Append
    from .commits import Commits
    from .outbox import Outgoing
    from .reply import Reply


class Decider(Protocol):
    """Whose decisions are committed. The calls return at once."""

    def gather(self) -> None:
        """Decide what has come together: an append is about to be made."""

    def carry_out(self, outgoing: Outgoing) -> None:
        """Act on a decision, in their order: it is durable and published."""

    def committed(self) -> None:
        """Nothing is left to commit, or the commits have failed."""


class Committer:
    """Write-ahead visibility for one activation (idea 2, I4).

    It has one append on its way at a time, together with those of other threads (`Commits`); what
    is decided meanwhile goes into the next one.

    Args:
        tail: where durable rows are published.
        commits: how they get to the disk first.
        generation: the number that the activation writes under.
        durable: the head on disk.
        folding: what the thread's records come to, moved on with what becomes durable.
        decider: whose decisions they are.
        bound: how many decisions may wait for the append on its way.

    Attributes:
        failure: what ended the commits; None while they go on.
    """

    __slots__ = (
        "_actor",
        "_batch",
        "_bound",
        "_commits",
        "_decider",
        "_durable",
        "_folding",
        "_generation",
        "_gone",
        "_more",
        "_on_its_way",
        "_open",
        "_outbox",
        "_running",
        "_tail",
        "_taken",
        "failure",
    )

    def __init__(
        self,
        tail: Tail,
        commits: Commits,
        generation: int,
        durable: Position,
        folding: Folding,
        decider: Decider,
        bound: int,
    ) -> None:
        self._tail = tail
        self._commits = commits
        self._generation = generation
        self._durable = durable
        self._folding = folding
        self._decider = decider
        self._bound = bound
        # A list, since an empty deque takes 700 bytes, and there is one for each thread. Bounded by
        # who fills it: commands wait for `room`, and besides there are only what a turn has said
        # and its ending.
        self._outbox: list[Outgoing] = []
        self._taken = 0
        self._gone = 0
        self._batch: tuple[Outgoing, ...] = ()
        self._on_its_way: tuple[Append, ThreadState] | None = None
        self._running = False
        self._more = False  # something has come together since the append on its way was made
        self._open = True
        self.failure: Exception | None = None
        self._actor = Sleeper()

    def close(self) -> None:
        """Commit and carry out nothing more; what is on its way may become durable yet."""
        self._open = False

    @property
    def busy(self) -> bool:
        """Whether something decided is not durable or not carried out."""
        return self._running or bool(self._outbox)

    @property
    def full(self) -> bool:
        """Whether one more decision would have to wait for the append on its way."""
        return len(self._outbox) >= self._bound

    def send(self, outgoing: Outgoing) -> None:
        """Take a decision, behind the earlier ones."""
        self._taken += 1
        self._outbox.append(outgoing)
        self.soon()

    def soon(self) -> None:
        """Have what has come together committed, behind what is on its way."""
        if self._running:
            self._more = True
        elif self._open:
            self._running = True
            self._commits.add(self)

    def fail(self, failure: Exception) -> None:
        """Commit nothing more; `check` and `flushed` raise `failure` from now on."""
        if self.failure is None:
            self.failure = failure
        self._open = False
        self._actor.wake()
        self._decider.committed()

    def check(self) -> None:
        """Raise the failure that there was, if any."""
        if self.failure is not None:
            raise self.failure

    async def flushed(self) -> None:
        """Wait until everything decided so far is durable and carried out.

        What is decided meanwhile does not count: a turn that never stops writing keeps the commits
        going for as long as it runs.

        Raises:
            Exception: the failure that ended the commits.

        Cancellation ends the wait alone: what was decided goes on to the disk.
        """
        goal = self._taken
        while self._gone < goal and self.failure is None:
            await self._actor.sleep()
        self.check()

    async def room(self) -> None:
        """Wait until one more decision may wait for the append on its way.

        Raises as `flushed`. Cancellation ends the wait alone.
        """
        while self.full and self.failure is None:
            await self._actor.sleep()
        self.check()

    def take_replies(self) -> tuple[Reply, ...]:
        """Take everybody who waits for a decision that was not carried out."""
        replies = replies_of((*self._batch, *self._outbox))
        self._batch = ()
        self._outbox.clear()
        return replies

    def begin(self) -> Append | None:
        """Return all that was decided as one append; see `Author`.

        What needs none is carried out.
        """
        try:
            while self._open and self._take_batch():
                whose = self._tail.thread, self._generation, self._durable
                append = append_of(*whose, self._batch, self._folding.due)
                if append is not None:
                    # The batch may be gone when the append is back.
                    self._on_its_way = append, self._batch[-1].step.state
                    return append
                self._carry_out_batch()
        except Exception as exc:  # raised in the actor's loop, the one place that winds down
            self.fail(exc)
        self._stop()
        return None

    def settle(self, wrong: Exception | None) -> None:
        """Show what is durable and carry it out; see `Author`."""
        on_its_way, self._on_its_way = self._on_its_way, None
        if on_its_way is None or not self._open:
            return
        append, state = on_its_way
        try:
            if wrong is not None:
                raise wrong
            self._durable = Position(state.epoch, state.offset)
            folded = self._folding.folded
            if append.settled or append.delete:
                folded = self._folding.take(append.settled, deleted=append.delete)
            self._tail.publish(append.rows, state, folded)
            self._carry_out_batch()
        except Exception as exc:  # raised in the actor's loop, the one place that winds down
            self.fail(exc)
            return
        if self._more:
            self._commits.add(self)
        else:
            self._stop()

    def _stop(self) -> None:
        self._running = False
        if self._open:
            self._decider.committed()

    def _take_batch(self) -> bool:
        self._decider.gather()
        self._batch = take_batch(self._outbox)
        self._more = bool(self._outbox)
        return bool(self._batch)

    def _carry_out_batch(self) -> None:
        while self._batch:
            # Taken off first: what it leads to must not be answered a second time.
            outgoing, self._batch = self._batch[0], self._batch[1:]
            self._decider.carry_out(outgoing)
            self._gone += 1
        self._actor.wake()
