"""Every Python block in the README and the docs runs, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A page may have Hypothesis make a failure small, on a machine that is busy with other tests.
SECONDS = 90


def blocks() -> list[tuple[str, str]]:
    """Return each page's blocks as one program: a later block goes on from an earlier one."""
    found = []
    for page in PAGES:
        if "_build" in page.parts:
            continue
        programs = BLOCK.findall(page.read_text())
        if programs:
            found.append((str(page.relative_to(ROOT)), "\n".join(programs)))
    return found


@pytest.mark.parametrize(("page", "program"), blocks(), ids=[page for page, _ in blocks()])
def test_blocks_of_a_page_run_in_order(page: str, program: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{page}:\n{done.stdout}{done.stderr}"
