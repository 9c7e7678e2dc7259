"""Servers that are wrong, each in one way: what `holdfast conform` has to find out.

Each is our own server with something between its sessions and their clients.
`python -m tests.conformance.broken_servers NAME` serves one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from . import commands, events, streams
from .events import EventLie
from .lying_link import Lie, LyingLink

if TYPE_CHECKING:
    from transport.exchange import RequestHandler
    from transport.link import Link

_RULES: Final[Mapping[type[Lie], str]] = {
    streams.OffsetsSkip: "1",
    streams.CursorGoesBack: "2",
    streams.SnapshotThenGap: "3",
    streams.NeverResumes: "3",
    commands.CancelAnsweredAtOnce: "4",
    streams.DeliversTwice: "5",
    commands.CancelOvertaken: "6",
    commands.DeleteOnlyEnds: "7",
    commands.ForgetsKeys: "8",
    streams.EndsTwice: "9",
    commands.CancelHitsTheNext: "9",
    commands.InterruptWaits: "9",
    commands.TruncateForgotten: "10",
    commands.EndDeletes: "11",
    commands.ClosesWithAnotherCode: "12",
    streams.DetachedTooLate: "13",
    commands.ErrorsTellAll: "14",
    commands.PingsUnanswered: "16",
    commands.UnknownFieldsTaken: "messages",
    commands.TextTakenForNumbers: "messages",
    events.ModeUntold: "sse-begin",
    events.EventsUnnamed: "sse-types",
    events.IdsLag: "sse-ids",
    events.PingsHaveIds: "sse-pings",
    events.AddressWins: "sse-back",
    events.PlaceForgotten: "sse-back",
    events.NeverFinished: "sse-end",
    events.WrongTakenForRight: "sse-wrong",
}

BROKEN: Final[Mapping[str, tuple[type[Lie], str]]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", lie.__name__).lower(): (lie, rule)
    for lie, rule in _RULES.items()
}
"""Each by name: what is wrong, and the rule that has to be named."""


def broken_link(name: str, link: Link) -> Link:
    """Put what is wrong with a server between a session and its link."""
    lie, _ = BROKEN[name]
    return LyingLink(link, lie())


def broken_answer(name: str, answer: RequestHandler) -> RequestHandler:
    """Put what is wrong with a server between its API and a client."""
    lie, _ = BROKEN[name]
    return partial(lie.answer, answer) if issubclass(lie, EventLie) else answer
