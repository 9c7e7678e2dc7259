"""What was recorded is replayed: the same answers, and the same bug where there was one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from actors import Limits, OnBusy, Rejected, ThreadKind, open_runtime
from actors.journal.sqlite import open_sqlite_journal
from actors.testing import (
    DamagedIncident,
    InvariantBroken,
    Replayed,
    read_incident,
    replay_incident,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from actors import Handler, Journal, Runtime, Turn
    from actors.testing import World

# A turn that waits for ever is open when the runtime closes, as it was in the crash.
LIMITS = Limits(drain_seconds=0.1)


async def reply(turn: Turn) -> None:
    for word in turn.text.split():
        if word == "wait":
            await trio.sleep_forever()
        if word == "fail":
            raise RuntimeError(word)
        await turn.write(f"{word} ")


async def record(
    folder: Path, happens: Callable[[Runtime], Awaitable[None]], handler: Handler = reply
) -> None:
    kind = ThreadKind(on_turn=handler, no_progress=None)
    async with open_runtime(
        folder / "j.db",
        kind_of=lambda _: kind,
        limits=LIMITS,
        durability="relaxed",
        record_to=folder / "rec",
    ) as runtime:
        await happens(runtime)


def replayed(folder: Path, *args: Any, **more: Any) -> Replayed:
    return replay_incident(read_incident(folder / "rec", folder / "j.db"), *args, **more)


async def a_day(runtime: Runtime) -> None:
    """Do a bit of everything."""
    thread = runtime.thread("t-1", "ann")
    async with thread.attach(None) as subscription:
        first = await thread.submit("hello there", key="k-1")
        await thread.outcome(first.turn)
        again = await thread.submit("hello there", key="k-1")
        assert again.duplicate
        with pytest.raises(Rejected, match="key"):
            await thread.submit("something else", key="k-1")
        cursor = subscription.position.cursor()
    waits = await thread.submit("please wait")
    with pytest.raises(Rejected):
        await runtime.thread("t-1", "bob").submit("me too")
    queued = await runtime.thread("t-1", "bob").submit("then me", on_busy=OnBusy.QUEUE)
    async with thread.attach(cursor):
        await thread.cancel(waits.turn)
        await thread.outcome(queued.turn)
    failing = await thread.submit("now fail")
    await thread.outcome(failing.turn)
    await thread.record("note", {"a": 1}, key="k-2")
    await thread.fork("t-2", after=f"{first.turn}.0")
    await thread.submit("again wait", key="k-3")
    await runtime.thread("t-2").submit("other wait")
    await runtime.thread("t-2").end()


async def test_a_clean_incident_replays_clean(tmp_path: Path) -> None:
    await record(tmp_path, a_day)
    await record(tmp_path, a_day_after)
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert result.check().differences == ()
    assert "then" in result.story()


async def a_day_after(runtime: Runtime) -> None:
    thread = runtime.thread("t-1", "ann")
    assert (await thread.submit("again wait", key="k-3")).duplicate
    async with thread.attach(None):
        done = await thread.submit("bye")
        await thread.outcome(done.turn)


async def test_what_a_turn_said_last_before_a_crash_is_said_again(tmp_path: Path) -> None:
    """No line tells of it, but the journal does, and cursors beyond it were given."""
    given: list[str] = []

    async def slowly(turn: Turn) -> None:
        await trio.sleep(0.05)
        for word in ("on ", "it ", "now"):
            await turn.write(word)
        await trio.sleep_forever()

    async def before(runtime: Runtime) -> None:
        thread = runtime.thread("t-1")
        async with thread.attach(None) as subscription:
            await thread.submit("hello")
            while subscription.position.offset < 6:
                await anext(subscription)
            given.append(subscription.position.cursor())

    async def after(runtime: Runtime) -> None:
        async with runtime.thread("t-1").attach(given[0]):
            pass

    await record(tmp_path, before, slowly)
    log = tmp_path / "rec" / "commands.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    (answered,) = (n for n, line in enumerate(lines) if b'"line":"answered"' in line)
    log.write_bytes(b"".join(lines[: answered + 1]))
    await record(tmp_path, after, slowly)
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert "is answered: resume at 1.6" in result.check().story()


class Tool:
    """Takes effect long after it was called, however busy the machine was in between."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world

    async def __call__(self, turn: Turn) -> None:
        await trio.sleep(30)
        if self.world is not None:
            self.world.effect(turn, "booking")


def uncancelled(tool: Tool) -> Handler:
    """Make a handler whose tool call survives its turn's cancellation."""

    async def on_turn(turn: Turn) -> None:
        await turn.write("calling ")
        trio.lowlevel.spawn_system_task(tool, turn)
        await trio.sleep_forever()

    return on_turn


async def cancelled_early(runtime: Runtime) -> None:
    thread = runtime.thread("t-1")
    async with thread.attach(None) as subscription:
        receipt = await thread.submit("book it")
        while subscription.position.offset < 4:  # where its first word is
            await anext(subscription)
        await thread.cancel(receipt.turn)


async def test_a_wrong_handler_breaks_the_same_again(tmp_path: Path) -> None:
    await record(tmp_path, cancelled_early, uncancelled(Tool()))
    made = lambda world: uncancelled(Tool(world))  # noqa: E731 - one line says it
    result = await trio.to_thread.run_sync(replayed, tmp_path, made)
    assert {each.invariant for each in result.broken()} == {"I7"}
    with pytest.raises(InvariantBroken):
        result.check()
    assert (await trio.to_thread.run_sync(replayed, tmp_path)).check().differences == ()


async def test_the_same_incident_gives_the_same_run(tmp_path: Path) -> None:
    await record(tmp_path, a_day)
    first, second = [await trio.to_thread.run_sync(replayed, tmp_path) for _ in range(2)]
    assert first.run.trace == second.run.trace


async def test_it_begins_in_the_middle_of_a_thread(tmp_path: Path) -> None:
    kind = ThreadKind(on_turn=reply, no_progress=None)
    async with open_runtime(
        tmp_path / "j.db", kind_of=lambda _: kind, limits=LIMITS, durability="relaxed"
    ) as runtime:
        await a_day(runtime)
    await record(tmp_path, a_day_after)
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert (result.check().differences, result.notes) == ((), ())


async def test_what_was_deleted_since_is_gone_and_noted(tmp_path: Path) -> None:
    await record(tmp_path, a_day)

    async def clear(runtime: Runtime) -> None:
        await runtime.thread("t-1", "ann").truncate(None)
        await runtime.thread("t-2", "ann").delete()

    await record(tmp_path, clear)
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert result.check().run.records
    assert "hello" not in result.story()


# Damage


async def a_recording(folder: Path) -> Path:
    await record(folder, cancelled_early)
    return folder / "rec" / "commands.jsonl"


async def test_a_file_that_ends_in_a_line_says_so(tmp_path: Path) -> None:
    path = await a_recording(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert result.check().notes == ("1 lines were cut short by a crash",)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda lines: lines[1:], "the first line of .* has to tell of a start"),
        (lambda lines: [], "the first line of .* has to tell of a start"),
        (lambda lines: [lines[0], lines[1][:9], *lines[2:]], "line 2 of .*commands.jsonl cannot"),
        (lambda lines: [lines[0], b"[]", *lines[2:]], "line 2 of"),
        (lambda lines: [lines[0], b'{"line":"asked","mono":1}', *lines[2:]], "line 2 of .*'n'"),
        (lambda lines: [lines[0], b'{"line":"danced","mono":1}', *lines[2:]], "'danced'"),
        (lambda lines: [b"\xff\x00", *lines[1:]], "line 1 of"),
        (
            lambda lines: [lines[0].replace(b"incident-1", b"incident-9"), *lines[1:]],
            "expected the format holdfast-incident-1, found holdfast-incident-9",
        ),
    ],
)
async def test_damage_is_a_clear_error(
    tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    path = await a_recording(tmp_path)
    lines = damage(path.read_bytes().splitlines())
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(DamagedIncident, match=told):
        await trio.to_thread.run_sync(replayed, tmp_path)


async def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "rec").mkdir()
    with pytest.raises(DamagedIncident, match=r"expected commands\.jsonl in"):
        await trio.to_thread.run_sync(replayed, tmp_path)
    path = await a_recording(tmp_path)
    (tmp_path / "j.db").rename(tmp_path / "other.db")
    assert path.exists()
    with pytest.raises(FileNotFoundError, match="expected the journal of the incident at"):
        await trio.to_thread.run_sync(replayed, tmp_path)


async def test_a_journal_that_failed_fails_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[Journal] = []

    async def opener() -> Journal:
        opened.append(await open_sqlite_journal(tmp_path / "j.db", durability="relaxed"))
        return opened[-1]

    kind = ThreadKind(on_turn=reply, no_progress=None)
    async with open_runtime(opener, kind_of=lambda _: kind, record_to=tmp_path / "rec") as runtime:
        thread = runtime.thread("t-1", "ann")
        await thread.outcome((await thread.submit("hello")).turn)
        await opened[0].aclose()  # under it, as a disk that is gone
        with pytest.raises(Rejected, match="cannot be written to"):
            await thread.submit("lost", key="k-1")
        with trio.fail_after(30):
            while "the journal is open again" not in caplog.text:  # noqa: ASYNC110 - it is a log
                await trio.sleep(0.01)
        await thread.outcome((await thread.submit("lost", key="k-1")).turn)
    result = await trio.to_thread.run_sync(replayed, tmp_path)
    assert result.check().differences == ()
    assert "the journal fails" in result.story()
    assert "the journal is opened anew" in result.story()
