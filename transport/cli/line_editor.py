"""A line that a person is typing: bytes of the terminal in, lines out. Pure.

The terminal's own line editing would mix what is typed with what streams in meanwhile. This knows
the unfinished line, so that it can be shown again below whatever came.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from attrs import define, field

_ENTER: Final = "\r\n"
_BACKSPACE: Final = "\x7f\x08"
_END: Final = "\x04"  # Ctrl-D
_KILL_LINE: Final = "\x15"  # Ctrl-U
_KILL_WORD: Final = "\x17"  # Ctrl-W

# Keys that send more than a character: arrows, Home, Delete, F1. They do nothing here.
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
# Characters of one line; a paste above that is cut, since no server would take it.
_MOST: Final = 64 * 1024


@define
class LineEditor:
    """Takes keys at the end of the line.

    Attributes:
        text: what is typed so far.
        left: whether Ctrl-D was pressed on an empty line.
    """

    text: str = ""
    left: bool = False
    _decoder: codecs.IncrementalDecoder = field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"), init=False
    )

    def type(self, keys: bytes) -> Iterator[str]:
        """Take what the terminal sent, and yield each line that Enter ended, unless it is blank."""
        for key in _SEQUENCE.sub("", self._decoder.decode(keys).replace("\r\n", "\n")):
            if key in _ENTER:
                line, self.text = self.text, ""
                if line.strip():
                    yield line
            elif key == _END and not self.text:
                self.left = True
                return
            else:
                self._edit(key)

    def _edit(self, key: str) -> None:
        if key in _BACKSPACE:
            self.text = self.text[:-1]
        elif key == _KILL_LINE:
            self.text = ""
        elif key == _KILL_WORD:
            self.text = re.sub(r"\S*\s*\Z", "", self.text)
        elif key.isprintable() and len(self.text) < _MOST:
            self.text += key
        elif key == "\t":
            self.text += " "
