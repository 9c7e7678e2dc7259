"""Programs in pseudo-terminals, with screens that a test can read."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import pyte
from attrs import define, field

HOLDFAST = (sys.executable, "-m", "transport.cli")


class NotSeen(AssertionError):
    """A condition did not come true in time; the text shows the screens."""


@define(eq=False)
class Terminal:
    """A program in a pseudo-terminal of its own."""

    process: subprocess.Popen[bytes]
    screen: pyte.Screen
    stream: pyte.ByteStream
    fd: int
    raw: bytearray = field(factory=bytearray)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        columns: int = 60,
        lines: int = 24,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
    ) -> Terminal:
        """Start a program in a new terminal, which becomes its controlling one."""
        master, slave = pty.openpty()
        import termios

        termios.tcsetwinsize(slave, (lines, columns))
        process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        screen = pyte.Screen(columns, lines)
        return cls(process, screen, pyte.ByteStream(screen), master)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    @property
    def rows(self) -> list[str]:
        """The screen, without the empty rows at its end."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.rows)

    def take(self) -> None:
        """Take what the program printed; there is something, or the program is gone."""
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.raw += data
        self.stream.feed(data)

    def close(self) -> None:
        """End the program, and close the terminal."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        os.close(self.fd)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def wait_until(
    terminals: Sequence[Terminal], condition: Callable[[], bool], seconds: float, what: str
) -> None:
    """Keep the terminals' screens up to date until a condition holds.

    Raises:
        NotSeen: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            shown = "\n".join(f"--- {t.process.args}\n{t.text}" for t in terminals)
            raise NotSeen(f"not seen within {seconds:g} s: {what}\n{shown}")
        readable, _, _ = select.select([t.fd for t in terminals], [], [], min(left, 0.1))
        for terminal in terminals:
            if terminal.fd in readable:
                terminal.take()
