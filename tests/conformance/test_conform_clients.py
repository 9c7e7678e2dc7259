"""The scenes for clients: ours passes them, and wrong ones are found out."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field, frozen

from actors.errors import HoldfastError
from actors.limits import DEFAULT_LIMITS, Limits
from transport import connect
from transport.background import background_nursery
from transport.link import Link, LinkClosed
from transport.testing.conformance import ChannelClosed, Report
from transport.testing.conformance.clients import SCENES, Line, Stage, check_client
from transport.testing.conformance.clients.driver import drive
from transport.testing.memory import MemoryLink, memory_links

from ..real_input.server_process import ROOT

Message = dict[str, Any]


@frozen
class MemoryLine:
    """The server's end; see `transport.testing.conformance.clients.Line`."""

    link: MemoryLink

    async def send(self, text: str) -> None:
        try:
            await self.link.send_text(text)
        except LinkClosed as exc:
            raise ChannelClosed(exc.code) from None

    async def receive(self) -> str | bytes:
        try:
            return await self.link.receive()
        except LinkClosed as exc:
            raise ChannelClosed(exc.code) from None

    async def close(self, code: int) -> None:
        await self.link.aclose(code)

    def cut(self) -> None:
        self.link.abort()


@define(eq=False)
class Slip:
    """What is wrong with a client; nothing in this one. One for all of its connections."""

    def said(self, message: Message) -> list[Message]:
        """Return what the client says instead."""
        return [message]

    def closed(self, code: int) -> int:
        """Return the code that the client takes a close for."""
        return code


@define(eq=False)
class SlippingLink:
    """A client's link with a slip in it."""

    link: MemoryLink
    slip: Slip

    @property
    def peer(self) -> str:
        return self.link.peer

    async def receive(self) -> str | bytes:
        try:
            return await self.link.receive()
        except LinkClosed as exc:
            raise LinkClosed(self.slip.closed(exc.code)) from None

    async def send_text(self, text: bytes | str) -> None:
        for message in self.slip.said(json.loads(text)):
            await self.link.send_text(json.dumps(message))

    async def send_binary(self, data: bytes) -> None:
        await self.link.send_binary(data)

    async def ping(self) -> None:
        await self.link.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.link.aclose(code, reason)

    def abort(self) -> None:
        self.link.abort()


class ForgetsItsCursor(Slip):
    """Attaches from nought after every cut."""

    def said(self, message: Message) -> list[Message]:
        message.pop("cursor", None)
        return [message]


class AnotherKeyEachTime(Slip):
    """Sends an unanswered submit again, under a new key."""

    def said(self, message: Message) -> list[Message]:
        if message["type"] == "submit":
            message["key"] = f"k{random.random()}"
        return [message]


class ComesBackAnyway(Slip):
    """Takes every close for a broken connection."""

    def closed(self, code: int) -> int:
        return 1006


@define(eq=False)
class CancelsAgain(Slip):
    """Says its last cancel on every connection."""

    cancel: Message | None = None

    def said(self, message: Message) -> list[Message]:
        if message["type"] == "cancel":
            self.cancel = message
        again = message["type"] == "attach" and self.cancel is not None
        return [message, *([self.cancel] if again and self.cancel else [])]


class InventsFields(Slip):
    """Says more than the protocol has."""

    def said(self, message: Message) -> list[Message]:
        return [{**message, "sdk": "1.0"}]


@frozen
class MemoryTheatre:
    """Our own client, on links in memory."""

    slip: Callable[[], Slip] = field(default=Slip)
    limits: Limits = DEFAULT_LIMITS

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Stage]:
        made, arrivals = trio.open_memory_channel[Line](100)
        slip = self.slip()

        async def open_link(nursery: trio.Nursery) -> Link:
            near, far = memory_links()
            await made.send(MemoryLine(near))
            return SlippingLink(far, slip)

        async def act() -> None:
            async with connect(
                open_link=open_link, limits=self.limits, rng=random.Random(7)
            ) as client:
                with suppress(HoldfastError):
                    await drive(client)

        async with background_nursery() as nursery:
            nursery.start_soon(act)
            yield Stage(arrivals, nursery)


def played(slip: Callable[[], Slip], *rules: str, limits: Limits = DEFAULT_LIMITS) -> Report:
    async def play() -> Report:
        return await check_client(MemoryTheatre(slip, limits), SCENES, rules=rules)

    return trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


def test_our_client_keeps_the_rules() -> None:
    report = played(Slip)
    assert report.failures == ()
    assert len(report.results) == len(SCENES)


@pytest.mark.parametrize(
    ("slip", "rule"),
    [
        (ForgetsItsCursor, "2"),
        (ForgetsItsCursor, "3"),
        (AnotherKeyEachTime, "8"),
        (CancelsAgain, "8"),
        (ComesBackAnyway, "closes"),
        (InventsFields, "messages"),
    ],
)
def test_a_wrong_client_is_found_out(slip: Callable[[], Slip], rule: str) -> None:
    report = played(slip, rule)
    assert rule in report.broken
    assert all(each.expected and each.talk for each in report.failures)


@pytest.mark.parametrize("first", [0, 60])
def test_a_client_that_rushes_back_or_dawdles_is_found_out(first: float) -> None:
    limits = Limits(reconnect_first_seconds=first, reconnect_most_seconds=first)
    report = played(Slip, "closes", limits=limits)
    assert "full jitter" in str([failure.name for failure in report.failures])


def test_the_command_starts_the_client_for_each_scene() -> None:
    driver = f"{sys.executable} -m transport.testing.conformance.clients.driver"
    command = [sys.executable, "-m", "transport.cli", "conform", "--client", driver]
    told = subprocess.run(
        [*command, "--rule", "2", "--rule", "messages"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "✓         2" in told.stdout
    assert "3 checks: 3 passed." in told.stdout
