"""The colours of the transcript's styles. click leaves them out where nobody sees colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from .transcript import Said, Style

_LOOKS: Final[Mapping[Style, Mapping[str, Any]]] = {
    Style.PERSON: {"fg": "cyan", "bold": True},
    Style.ANSWER: {},
    Style.ASIDE: {"dim": True},
    Style.MARKER: {"fg": "yellow"},
    Style.STATUS: {"dim": True},
    Style.ERROR: {"fg": "red"},
}


def styled(said: Said) -> str:
    """Return a piece's text with the codes of its style."""
    looks = _LOOKS[said.style]
    return click.style(said.text, **looks) if looks and said.text else said.text


def echo(said: Said) -> None:
    """Print a piece on a line of its own."""
    click.echo(styled(said))
