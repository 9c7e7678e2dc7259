"""Print how many lint and type exceptions the code has, and fail for one without a reason.

An exception is a `noqa`, a `type: ignore` or a `pyright: ignore`. It names its code, and says why
behind ` - ` or in the comment line above.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXCEPTION = re.compile(r"#\s*(noqa|type: ignore|pyright: ignore)(.*)")
WITH_REASON = re.compile(r"^(\[[\w\-, ]+\]|: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)\s+(-|#|–)\s*\S+")


def main() -> int:
    """Count, print, and return how many lack a reason."""
    found, bare = 0, []
    for folder in ("actors", "transport", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == Path(__file__).resolve():
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = EXCEPTION.search(line)
                if match is None:
                    continue
                found += 1
                if not WITH_REASON.match(match[2].strip() if match[2][:1] == " " else match[2]):
                    bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    print(f"{found} lint and type exceptions, {len(bare)} of them without a reason")
    print("\n".join(bare))
    return 1 if bare else 0


if __name__ == "__main__":
    sys.exit(main())
