"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

DEFAULT_DB: Final = "holdfast.db"


def db_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that names a journal's file, which need not be there."""
    kind = click.Path(dir_okay=False)
    return click.option("--db", default=DEFAULT_DB, show_default=True, type=kind, help=help)
