"""What a chat prints: plainly, or above a prompt that stays at the bottom of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, evolve, field
from rich.cells import cell_len

from .styles import styled
from .transcript import PROMPT, Said, Style


class Screen(Protocol):
    """Where a chat is told."""

    def say(self, pieces: Iterable[Said]) -> None:
        """Print pieces of the transcript."""

    def ask(self, status: str, typed: str) -> None:
        """Show the state of the connection, and what is typed so far."""

    def close(self) -> None:
        """Leave the cursor at the beginning of a line."""


@define
class PlainScreen:
    """Prints one after the other; for pipes and files.

    Args:
        write: prints text as it is.
        tell: prints a line about the connection, apart from the transcript.
        colours: whether to write them.
    """

    write: Callable[[str], None]
    tell: Callable[[str], None]
    colours: bool = False
    _mid_line: bool = field(default=False, init=False)
    _status: str = field(default="", init=False)

    def say(self, pieces: Iterable[Said]) -> None:
        """Print pieces; see `Screen.say`."""
        for said in pieces:
            if said.fresh and self._mid_line:
                self.write("\n")
                self._mid_line = False
            if said.text:
                self.write(styled(said) if self.colours else said.text)
                self._mid_line = not said.text.endswith("\n")
            elif said.fresh:
                self.write("\n")

    def ask(self, status: str, typed: str) -> None:
        """Print the status where it changed; see `Screen.ask`."""
        if status and status != self._status:
            self.tell(status)
        self._status = status

    def close(self) -> None:
        """End the last line; see `Screen.close`."""
        if self._mid_line:
            self.write("\n")
            self._mid_line = False


@define
class PromptScreen:
    """Keeps a prompt in the last line of a terminal, and prints above it.

    For each piece the prompt is taken away, and so is the last, unfinished row of what streams.
    That row is printed again with the piece, and the prompt below it. Nothing above is ever
    rewritten.

    Args:
        write: prints text and control sequences as they are, at once.
        width: returns the terminal's columns.
    """

    write: Callable[[str], None]
    width: Callable[[], int]
    _tail: Said | None = field(default=None, init=False)
    _prompt: str = field(default="", init=False)
    _status: str = field(default="", init=False)
    _typed: str = field(default="", init=False)

    def say(self, pieces: Iterable[Said]) -> None:
        """Print pieces; see `Screen.say`."""
        out = self._erase()
        for said in pieces:
            out += self._print(said)
        self.write(out + self._draw())

    def ask(self, status: str, typed: str) -> None:
        """Show the prompt with a status in front; see `Screen.ask`."""
        if (status, typed) != (self._status, self._typed):
            self._status, self._typed = status, typed
            self.write(self._erase() + self._draw())

    def close(self) -> None:
        """Take the prompt away; see `Screen.close`."""
        tail = self._tail
        self.write(self._erase() + (f"{styled(tail)}\n" if tail is not None else ""))
        self._tail = None

    def _print(self, said: Said) -> str:
        """Return what to print, all but the last row, which becomes the tail."""
        out = ""
        if said.fresh and self._tail is not None:
            out, self._tail = f"{styled(self._tail)}\n", None
        if said.fresh and not said.text:
            return out + "\n"
        before = self._tail.text if self._tail is not None else ""
        *rows, last = wrapped(before + said.text.expandtabs(4), self.width())
        out += "".join(f"{styled(evolve(said, text=row))}\n" for row in rows)
        self._tail = evolve(said, text=last) if last else None
        return out

    def _erase(self) -> str:
        """Return what takes the prompt and the tail away, the cursor where the tail began."""
        if not self._prompt:
            return ""
        up = len(rows_of(self._prompt, self.width())) - 1 + (self._tail is not None)
        self._prompt = ""
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J"

    def _draw(self) -> str:
        tail = f"{styled(self._tail)}\n" if self._tail is not None else ""
        status = f"[{self._status}] " if self._status else ""
        self._prompt = f"{status}{PROMPT}{self._typed}"
        # Cut here, and not by the terminal: they differ about wide characters at the edge.
        prompt = "\n".join(rows_of(self._prompt, self.width()))
        looks = styled(Said(status, Style.STATUS)) + styled(Said(PROMPT, Style.PERSON))
        return tail + prompt.replace(status + PROMPT, looks, 1)


def rows_of(text: str, width: int) -> list[str]:
    """Cut a text at its newlines, and where a terminal of that width begins a new row by itself."""
    rows: list[str] = []
    for line in text.split("\n"):
        row, cells = "", 0
        for character in line:
            wide = cell_len(character)
            if cells + wide > width:
                rows.append(row)
                row, cells = "", 0
            row, cells = row + character, cells + wide
        rows.append(row)
    return rows


def wrapped(text: str, width: int) -> list[str]:
    """Cut a text at its newlines, and between words where a row is full."""
    rows: list[str] = []
    for line in text.split("\n"):
        first, *more = rows_of(line, width)
        while more:
            head, space, tail = first.rpartition(" ")
            # A word that fills a row, or ends with it, is cut where the terminal would.
            fits = not space or not head.strip() or more[0].startswith(" ")
            rows.append(first if fits else head)
            rest = "".join(more).removeprefix(" ") if fits else tail + "".join(more)
            first, *more = rows_of(rest, width)
        rows.append(first)
    return rows
