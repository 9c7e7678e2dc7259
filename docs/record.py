"""Runs examples and keeps what they print: `python docs/record.py chat history`.

For each, `docs/examples/NAME.txt` is its output as it came, and `docs/_static/NAME.svg` a picture
of it; the page of the example shows both.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

DOCS: Final = Path(__file__).resolve().parent
COLUMNS: Final = 100
# The picture must not fetch a font from elsewhere when it is looked at.
_FONTS: Final = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def record(name: str) -> None:
    """Run one example, and write what it prints."""
    command = f"python docs/examples/{name}.py"
    script = DOCS / "examples" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, "-u", script],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (DOCS / "examples" / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ {command}\n{done.stdout}".rstrip()))
    picture = _FONTS.sub("", console.export_svg(title=command))
    (DOCS / "_static" / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        record(each)
