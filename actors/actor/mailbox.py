"""The mailbox: commands in the order they came, and notes of the thread's own tasks before them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import frozen

from ..core.commands import Command, Exited
from ..errors import Rejected
from ..sleeper import Sleeper
from .reply import Reply
from .service_runner import ServiceExited

# What an actor's own tasks tell it.
Note: TypeAlias = Exited | ServiceExited


@frozen
class Letter:
    """A command and who wants to know what became of it."""

    command: Command
    reply: Reply


class Mailbox:
    """What waits for one thread's actor. It outlives activations, so nothing in it is lost (I14).

    Args:
        bound: how many commands may wait.
    """

    __slots__ = (
        "_at_once",
        "_bound",
        "_letters",
        "_notes",
        "_reader",
    )

    def __init__(self, bound: int) -> None:
        self._bound = bound
        # Lists, since an empty deque takes 700 bytes, and there is a mailbox for each thread.
        self._letters: list[Letter] = []
        # One turn and one service run at a time and exit once, so this holds at most two notes.
        self._notes: list[Note] = []
        self._reader = Sleeper()
        self._at_once: Callable[[Letter | Note], bool] | None = None

    def __len__(self) -> int:
        """How many commands wait."""
        return len(self._letters)

    @property
    def waited_for(self) -> bool:
        """Whether the actor waits for what comes, and nothing has."""
        return self._reader.sleeping and not (self._letters or self._notes)

    def serve(self, at_once: Callable[[Letter | Note], bool] | None) -> None:
        """Have what comes while it is waited for shown to `at_once` first.

        Args:
            at_once: says whether it dealt with it, and never raises; the actor is woken for what it
                did not. None for nobody.
        """
        self._at_once = at_once

    def put(self, letter: Letter) -> None:
        """Add a command, behind those that came earlier (I18).

        Raises:
            Rejected: `overloaded`, where the bound is reached.
        """
        if self._dealt_with(letter):
            return
        if len(self._letters) >= self._bound:
            raise Rejected("overloaded", "too many commands wait for this thread")
        self._letters.append(letter)
        self.nudge()

    def put_back(self, letter: Letter) -> None:
        """Return a command that was taken and not answered; it is first again."""
        self._letters.insert(0, letter)
        self.nudge()

    def note(self, note: Note) -> None:
        """Add a note of the actor's own turn or service."""
        if not self._dealt_with(note):
            self._notes.append(note)
            self.nudge()

    def _dealt_with(self, what: Letter | Note) -> bool:
        return self._at_once is not None and self.waited_for and self._at_once(what)

    def take_note(self) -> Note | None:
        """Take the oldest note, or None."""
        return self._notes.pop(0) if self._notes else None

    def take(self) -> Letter | None:
        """Take the oldest command, or None."""
        return self._letters.pop(0) if self._letters else None

    def take_all(self) -> tuple[Letter, ...]:
        """Take every command there is, to refuse them."""
        letters = tuple(self._letters)
        self._letters.clear()
        return letters

    def forget_notes(self) -> None:
        """Drop the notes of an activation that is over."""
        self._notes.clear()

    def nudge(self) -> None:
        """Wake the actor to look again."""
        self._reader.wake()

    def news(self) -> Awaitable[None]:
        """Wait for the next `nudge`, `put` or `note`; one task at a time."""
        return self._reader.sleep()
