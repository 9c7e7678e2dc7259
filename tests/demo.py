"""`make demo`: two terminals on one thread, the server killed in mid-answer and started again.

Everything is real: the server and both chats are programs of their own, in pseudo-terminals. What
is printed are their screens. The exit code says whether both showed the same at the end.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.transport.terminals import HOLDFAST, NotSeen, Terminal, wait_until

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, LINES = 42, 18
# Seconds for a program to start, and for anything else to be seen. Bounds, not pauses.
START_SECONDS, SEEN_SECONDS = 30.0, 30.0

ASKED = "Will this survive a kill -9?"


class Demo:
    """The three terminals, and what happens in them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}/"
        self.terminals: list[Terminal] = []
        self.server = self.start_server()
        self.left = self.start("chat", self.url, "main")
        self.right = self.start("chat", self.url, "main")
        self.chats = (self.left, self.right)

    def start(self, *words: str, columns: int = COLUMNS) -> Terminal:
        env = {"PYTHONPATH": str(ROOT)}
        command = (*HOLDFAST, *words)
        terminal = Terminal.start(command, columns=columns, lines=LINES, env=env, cwd=self._folder)
        self.terminals.append(terminal)
        return terminal

    def start_server(self) -> Terminal:
        port = self.url.rpartition(":")[2].rstrip("/")
        server = self.start("serve", "--port", port, columns=100)
        self.see(lambda: "is listening" in server.text, "the server listens", START_SECONDS)
        return server

    def see(self, condition: Callable[[], bool], what: str, seconds: float = SEEN_SECONDS) -> None:
        wait_until(self.terminals, condition, seconds, what)

    def both(self, text: str, what: str) -> None:
        """Wait until both chats show a text."""
        self.see(lambda: all(text in chat.text for chat in self.chats), what)

    def kill_server(self) -> None:
        """End the server as a crash would."""
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait(SEEN_SECONDS)
        self.terminals.remove(self.server)

    def close(self) -> None:
        for terminal in self.terminals:
            terminal.close()

    # The story.

    def play(self) -> bool:
        self.both(">", "the prompts")
        self.left.type(f"{ASKED}\r")
        self.both(f"You said: {ASKED}\n>", "the first answer")
        self.left.type("count to 100\r")
        self.both("11, 12", "both stream")
        self.right.type("I am typing")
        self.both("15, 16", "both go on")
        self.show("The left one asked. Both stream, and the right one is typing.")

        self.kill_server()
        self.both("reconnecting…", "both noticed")
        self.show("kill -9 of the server, in mid-answer.")

        self.server = self.start_server()
        self.both("[interrupted", "both came back")
        self.both("reconnected", "both say so")
        self.show("The server is started again. Both came back by themselves.")

        self.right.type(" again: nothing is lost\r")
        self.both("You said: I am typing again: nothing is\nlost", "the last answer")
        self.both("thread.)\n>", "all of the last answer")
        self.show("The right one sends what it had typed.")
        return self.is_the_same()

    def is_the_same(self) -> bool:
        """Compare both screens with each other, and with what the server has."""
        left, right = (chat.rows[:-1] for chat in self.chats)
        shown = self.transcript()
        same = left == right and squeezed("\n".join(left)) == squeezed(shown)
        print(
            "Both screens show the same transcript, and so does `holdfast show main`."
            if same
            else f"The transcripts differ. `holdfast show main`:\n{shown}"
        )
        return same

    def transcript(self) -> str:
        command = [*HOLDFAST, "show", "main", "--url", self.url]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command,
            env=env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=True,
        )
        return done.stdout

    def leave(self) -> bool:
        """Leave both chats with Ctrl-D and the server with Ctrl-C; all have to end well."""
        for chat in self.chats:
            chat.type("\x04")
        self.server.type("\x03")
        processes = [terminal.process for terminal in self.terminals]
        self.see(lambda: all(p.poll() is not None for p in processes), "everybody leaves")
        return all(process.returncode == 0 for process in processes)

    def show(self, what: str) -> None:
        """Print both screens side by side."""
        left, right = (chat.rows for chat in self.chats)
        print(f"{what}\n")
        print(f"  ┌{'─' * (COLUMNS + 2)}┬{'─' * (COLUMNS + 2)}┐")
        for number in range(max(len(left), len(right))):
            cells = [rows[number] if number < len(rows) else "" for rows in (left, right)]
            print("  │ " + " │ ".join(cell.ljust(COLUMNS) for cell in cells) + " │")
        print(f"  └{'─' * (COLUMNS + 2)}┴{'─' * (COLUMNS + 2)}┘\n", flush=True)


def squeezed(text: str) -> str:
    """Return a text without white space: where a line wraps is the terminal's business."""
    return re.sub(r"\s+", "", text)


def main() -> int:
    """Play it, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        demo = Demo(folder)
        try:
            same = demo.play()
            return 0 if demo.leave() and same else 1
        except NotSeen as exc:
            print(exc)
            return 1
        finally:
            demo.close()


if __name__ == "__main__":
    sys.exit(main())
