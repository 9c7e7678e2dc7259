"""Progress of long work, on standard error, and only where a person is looking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

# Called with how much is done, and how much there is where that is known.
Tell: TypeAlias = Callable[[int, int | None], None]


@contextmanager
def progress(what: str, unit: str) -> Iterator[Tell]:
    """Show how far a piece of work is for as long as the block runs.

    Args:
        what: the work, as `Exporting`.
        unit: what is counted, in the plural.

    Yields:
        The function to tell it with.
    """
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    # Imported here: most commands show no progress, and rich takes longer to load than they to run.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn(f"{{task.fields[told]}} {unit}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, told="0")

        def tell(done: int, of: int | None) -> None:
            told = f"{done:,}" if of is None else f"{done:,} of {of:,}"
            shown.update(task, completed=done, total=of, told=told)

        yield tell
