"""Our own server keeps every rule: over a real WebSocket, and over links in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio
import trio.testing

from transport.testing.conformance import (
    CHECKS,
    RULES,
    Outcome,
    Report,
    WebSocketCarrier,
    check_server,
)
from transport.testing.conformance.clients import SCENES
from transport.testing.conformance.fields import FIELDS
from transport.wire.client_messages import CLIENT_MESSAGES

from ..real_input.server_process import running_server
from .memory_carrier import memory_carrier

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = "transport.testing.conformance:KIND"
NOT_THERE_YET = ("the server answers", "the server sends no presence")


def assert_kept(report: Report, *may_be_skipped: str) -> None:
    """Every rule is kept, and what was skipped was for one of these reasons."""
    assert report.failures == ()
    assert report.passed
    for result in report.results:
        if result.outcome is Outcome.SKIPPED:
            assert result.reason is not None
            assert result.reason.startswith((*may_be_skipped, *NOT_THERE_YET)), result


def test_every_rule_has_checks() -> None:
    """What a close says to a client is for clients to keep."""
    assert {check.rule for check in CHECKS} == set(RULES) - {"closes"}
    assert {scene.rule for scene in SCENES} <= set(RULES)


async def test_over_a_real_websocket(tmp_path: Path) -> None:
    async with running_server(tmp_path, HANDLER) as server:
        carrier = WebSocketCarrier(f"ws://127.0.0.1:{server.port}/ws")
        assert_kept(await check_server(carrier, CHECKS, run="real"), "it takes long")
        assert await server.stop() == 0


def test_over_links_in_memory() -> None:
    """With what takes long: here it takes none."""

    async def checked() -> Report:
        async with memory_carrier() as carrier:
            return await check_server(carrier, CHECKS, run="memory", slow=True)

    report = trio.run(checked, clock=trio.testing.MockClock(autojump_threshold=0))
    assert_kept(report, "there is no socket")


def test_the_table_has_every_message_and_every_field() -> None:
    classes = {tag: {f.name for f in attrs.fields(cls)} for tag, cls in CLIENT_MESSAGES.items()}
    assert {tag: set(fields) for tag, fields in FIELDS.items()} == classes


def test_every_check_has_a_name_of_its_own() -> None:
    names = [(check.rule, check.name) for check in CHECKS]
    assert len(set(names)) == len(names)
