"""Linnet's windows: ten chunks of 100 ms make one call; a failed one drops its window only."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing
from runtime_world import LIMITS, Limits, open_world

from actors import Service, ServiceOver, ThreadKind, Windows

CHUNK = b"\0\0" * 1600


async def run(
    calls: list[bytes], chunks: int, failing: tuple[int, ...] = (), limits: Limits = LIMITS
) -> list[int]:
    dropped: list[int] = []

    async def classify(window: bytes) -> str:
        calls.append(window)
        await trio.sleep(0.1)
        if len(calls) in failing:
            raise OSError("the sidecar is gone")
        return "calm"

    async def service(service: Service) -> None:
        windows = Windows(service.inbox, size=10)
        async for window in windows:
            with windows.dropping():
                await service.record("tone", await classify(b"".join(c.data for c in window)))
            dropped.append(windows.dropped)

    async with open_world(kind=ThreadKind(service=service), limits=limits) as world:
        await world.thread().record("created", None)
        for _ in range(chunks):
            world.thread().cast("audio", CHUNK)
        await trio.sleep(10)
        kept = await world.thread().history()
        assert len(kept.items) == 1 + len(calls) - len(failing)
    return dropped


async def test_a_full_window_makes_exactly_one_call(autojump_clock: Any) -> None:
    calls: list[bytes] = []
    assert await run(calls, chunks=39) == [0, 0, 0]
    assert calls == [CHUNK * 10] * 3


async def test_a_failed_call_drops_that_window_and_nothing_else(autojump_clock: Any) -> None:
    calls: list[bytes] = []
    assert await run(calls, chunks=30, failing=(2,)) == [0, 1, 1]
    assert calls == [CHUNK * 10] * 3


async def test_a_dropped_window_is_a_line_and_its_traceback_is_for_debugging(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "holdfast")
    await run([], chunks=30, failing=(2,))
    told = [(r.levelname, r.getMessage(), r.exc_info is not None) for r in caplog.records]
    dropped = [each for each in told if "dropped" in each[1]]
    assert dropped == [
        ("WARNING", "a window was dropped: OSError: the sidecar is gone", False),
        ("DEBUG", "a window was dropped, and this is why", True),
    ]


async def test_a_cancellation_is_not_dropped() -> None:
    async def nothing() -> Any:
        yield 1

    windows = Windows(nothing(), size=1)
    with trio.CancelScope() as scope, windows.dropping():
        scope.cancel()
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    with pytest.raises(ServiceOver), windows.dropping():
        raise ServiceOver("stopped")
    assert windows.dropped == 0
