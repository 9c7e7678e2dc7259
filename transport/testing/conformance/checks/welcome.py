"""Rule 16: what the server says first; and the signs of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..check import Group, Need, has, holds, same

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check

_FIGURES = (
    "command_bytes",
    "frame_bytes",
    "turn_output_bytes",
    "cancel_grace_seconds",
    "drain_seconds",
    "slow_seconds",
)


@check("16")
async def the_welcome_is_whole(case: Case) -> None:
    """The welcome comes first, and tells protocol, instance and limits."""
    peer = await case.connect()
    welcome = peer.heard[0]
    has(welcome, type="welcome", protocol="holdfast.v1")
    holds(isinstance(welcome.get("instance"), str), "an instance", welcome)
    limits = welcome["limits"]
    for name in _FIGURES:
        figure = limits.get(name)
        good = isinstance(figure, int | float) and not isinstance(figure, bool) and figure >= 0
        holds(good, f"a figure for {name}", limits)
    holds(welcome["heartbeat_seconds"] > 0, "heartbeat_seconds above 0", welcome)
    other = await case.connect()
    same("one run, one welcome", other.heard[0], welcome)


@check("16")
async def hello_is_welcome(case: Case) -> None:
    """Hello may come first, with commands behind it, and again."""
    peer = await case.connect()
    for number in range(2):
        since = len(peer.heard)
        await peer.send({"type": "hello", "client": f"conform/{number}"})
        await peer.done("end", thread=case.thread())
        await peer.until(lambda m: m["type"] == "welcome", "welcome", since)


@check("16")
async def pings_are_answered(case: Case) -> None:
    """A ping is answered pong with its id; a pong is not answered."""
    peer = await case.connect()
    await peer.send({"type": "ping", "id": "mine"})
    pong = await peer.until(lambda m: m["type"] == "pong", "pong")
    same("the pong", pong, {"type": "pong", "id": "mine"})
    await peer.send({"type": "ping"})
    await peer.until(lambda m: m == {"type": "pong"}, "a pong without id")
    since = len(peer.heard)
    await peer.send({"type": "pong", "id": "mine"})
    await peer.settle()
    rest = [m for m in peer.heard[since:] if m["type"] != "ping"]
    same("what came after a pong", [m.get("id") == "mine" for m in rest], [False])


@check("16", Need.SLOW)
async def the_heartbeat_shows(case: Case) -> None:
    """An idle connection is kept, and sees a ping every heartbeat_seconds."""
    peer = await case.connect()
    seconds = 2.5 * case.target.heartbeat_seconds
    await trio.sleep(seconds)
    same("the close of an idle connection", peer.code, None)
    pings = [m for m in peer.heard if m["type"] == "ping"]
    holds(len(pings) >= 2, f"two pings in {seconds:g} s", pings)
    await peer.settle()
