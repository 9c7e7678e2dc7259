"""The handler behind the page in these tests: numbered words, until it is told to stop.

A message that ends in a number is answered with so many words; any other one with words until
`tell` says that it is enough. What was said in the end lies in a file named for the turn, written
past the journal, for tests to hold the page against.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from actors import Turn

FOLDER_VARIABLE = "HOLDFAST_TEST_FOLDER"
# Seconds between two words: slow enough to be interrupted, fast enough for a test.
PACE = 0.01
# A test that fails to say "enough" must not leave a turn that runs for ever.
MOST_WORDS = 6000


def word(number: int) -> str:
    """Return a word: mostly prose, now and then what a page could get wrong."""
    if number % 40 == 0:
        return f"\n\n```python\nprint('word{number}')  # <b>&amp;</b>\n```\n"
    if number % 25 == 0:
        return f"word{number} ends a paragraph.\n\n"
    if number % 7 == 0:
        return f"word{number} <i>ties a knot</i> \N{KNOT} & goes on\t"
    return f"word{number} "


def words(count: int) -> str:
    """Return the first so many words as one text."""
    return "".join(map(word, range(1, count + 1)))


def tell(folder: Path, thread: str) -> None:
    """Tell the handler that it has said enough in a thread."""
    (folder / f"{thread}.told").touch()


def said(folder: Path, turn: str) -> str:
    """Return what the handler said in a turn that it completed."""
    return (folder / f"{turn}.said").read_bytes().decode()


async def reply(turn: Turn) -> None:
    """Say numbered words at a steady pace."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    told = folder / f"{turn.thread}.told"
    last = turn.text.split()[-1]
    counted = last.isdecimal()
    count = 0
    while count < (int(last) if counted else MOST_WORDS) and (counted or not told.exists()):
        count += 1
        await turn.write(word(count))
        await trio.sleep(PACE)
    (folder / f"{turn.id}.said").write_bytes(words(count).encode())
