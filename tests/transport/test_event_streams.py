"""Server-Sent Events: the same stream as over a WebSocket, for a reader like a browser's (I3)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio
import trio.testing
from event_source import LIMITS, EventSource, StreamServer, play, status_of
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_server import PIECES, paced
from remote_view import BEGINNING

from actors import Events, Position, ThreadKind

FROM_BEGINNING = f"?cursor={BEGINNING}"
WHOLE = ["turn.submitted", "turn.started", "turn.delta", "turn.completed"]


async def bodies_of(server: StreamServer, thread: str = "t") -> list[Any]:
    """Return the thread's events as the runtime itself has them."""
    rows = []
    async with server.runtime.thread(thread).attach(BEGINNING) as subscription:
        while (batch := await subscription.pull()) is not None:
            rows += batch.rows if isinstance(batch, Events) else ()
    return [orjson.loads(row.body) for row in rows]


def only_events(source: EventSource) -> list[Any]:
    return [body for body in source.bodies if "offset" in body]


# What is said


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_events() -> None:
    async def scene(server: StreamServer) -> None:
        async with server.following() as source:
            await source.until_type("caught_up")
            await server.said("hello")
            await source.until_type("turn.completed")
            snapshot, caught_up, *events = source.heard
        shown = orjson.loads(snapshot.data)
        assert (snapshot.type, shown["type"], shown["mode"]) == ("snapshot", "snapshot", "snapshot")
        assert "reason" not in shown
        assert snapshot.id == shown["cursor"] == caught_up.id
        assert [orjson.loads(event.data) for event in events] == await bodies_of(server)
        for event in events:
            body = orjson.loads(event.data)
            assert event.type == body["type"]
            assert event.id == Position(1, body.get("to", body["offset"])).cursor()

    play(scene)


def test_an_absent_thread_is_shown_empty_and_not_made() -> None:
    """I5."""

    async def scene(server: StreamServer) -> None:
        async with server.following() as source:
            shown = orjson.loads((await source.until_type("snapshot")).data)
            assert (shown["items"], shown["turn"]) == ([], None)
        assert (await server.runtime.threads()).summaries == ()
        assert server.runtime.statistics().active == 0

    play(scene)


def test_the_window_is_that_of_the_query() -> None:
    async def scene(server: StreamServer) -> None:
        for number in range(3):
            await server.said(str(number))
        async with server.following(query="?window=2") as source:
            shown = orjson.loads((await source.until_type("snapshot")).data)
            assert [item["kind"] for item in shown["items"]] == ["message", "answer"]
            assert shown["before"]

    play(scene)


@pytest.mark.parametrize(
    ("cursor", "reason"), [("1.99", "ahead"), ("9.1", "epoch"), ("nonsense", "unreadable")]
)
def test_a_cursor_that_is_no_good_gets_a_reset(cursor: str, reason: str) -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        async with server.following(query=f"?cursor={cursor}") as source:
            shown = orjson.loads((await source.until_type("snapshot")).data)
            assert (shown["mode"], shown["reason"]) == ("reset", reason)
            assert len(shown["items"]) == 2

    play(scene)


def test_silence_is_broken_by_pings_that_leave_the_id_alone() -> None:
    async def scene(server: StreamServer) -> None:
        async with server.following() as source:
            caught_up = await source.until_type("caught_up")
            await trio.sleep(3 * LIMITS.heartbeat_seconds + 1)
            pings = source.heard[2:]
            assert [(ping.type, ping.data) for ping in pings] == [("ping", '{"type":"ping"}')] * 3
            assert {ping.id for ping in pings} == {caught_up.id}

    play(scene)


# Coming back


def test_the_last_id_wins_over_the_cursor_of_the_query() -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        async with server.following(query=FROM_BEGINNING) as source:
            last = await source.until_type("caught_up")
        again = server.source(query=FROM_BEGINNING)
        again._last_id = last.id
        async with trio.open_nursery() as nursery:
            nursery.start_soon(again.run)
            assert (await again.until_type("caught_up")).id == last.id
            nursery.cancel_scope.cancel()
        assert again.types == ["caught_up"]
        assert source.types[-1] == "caught_up"
        assert len(only_events(source)) > 0

    play(scene)


def test_a_reader_that_is_cut_before_its_first_event_has_its_place_all_the_same() -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        opening = len("retry: 750\nid: 1.3\n\n")
        async with server.following(cuts=[opening], query="?cursor=1.3") as source:
            await source.until_type("caught_up")
            assert source.asked == [None, "1.3"]

    play(scene)


@pytest.mark.parametrize("query", ["", FROM_BEGINNING])
def test_cut_at_any_byte_nothing_is_missed_or_told_twice(query: str) -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hällo")
        events = await bodies_of(server)
        async with server.following(query=query) as source:
            await source.until_type("caught_up")
        for cut in range(len(source.body) + 1):
            async with server.following(query=query, cuts=[cut]) as source:
                await source.until_type("caught_up")
                if query:
                    assert only_events(source) == events
                    assert "snapshot" not in source.types
                else:
                    assert source.types.count("snapshot") == 1

    play(scene, paced(["é"]))


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 900), max_size=12), begins=st.sampled_from(["", FROM_BEGINNING])
)
def test_cut_while_a_turn_speaks_it_is_one_run_of_offsets(cuts: list[int], begins: str) -> None:
    async def scene(server: StreamServer) -> None:
        async with server.following(query=begins, cuts=cuts) as source:
            if not begins:
                await source.until_type("snapshot")
            for number in range(2):
                await server.said(f"message {number}")
            last = (await bodies_of(server))[-1]
            await source.until(
                lambda event: orjson.loads(event.data).get("offset") == last["offset"]
            )
            assert source.offsets == list(range(1, last["offset"] + 1))
            assert source.types.count("snapshot") == (not begins)

    play(scene, paced(["one ", "two ", "three "], 0.4))


# The end


def test_an_ended_thread_is_detached_and_a_reader_that_comes_back_is_told_to_stay_away() -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        async with trio.open_nursery() as nursery:
            source = server.source()
            nursery.start_soon(source.run)
            await source.until_type("caught_up")
            await server.runtime.thread("t").end()
            await source.closed.wait()
        assert source.types[-2:] == ["thread.ended", "detached"]
        assert source.bodies[-1]["reason"] == "ended"
        assert (source.status, source.ended) == (204, 1)
        assert source.asked == [None, source.heard[-1].id]
        # It holds until the thread is opened again.
        await server.said("again")
        source.closed = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            await source.until_type("turn.completed")
            assert source.status == 200
            nursery.cancel_scope.cancel()

    play(scene)


def test_a_deleted_thread_is_over_and_its_next_life_is_not() -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        async with trio.open_nursery() as nursery:
            source = server.source()
            nursery.start_soon(source.run)
            await source.until_type("caught_up")
            await server.runtime.thread("t").delete()
            await source.closed.wait()
        assert (source.bodies[-1]["reason"], source.status) == ("deleted", 204)
        await server.said("new")
        source.closed = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            reset = await source.until(lambda event: '"reset"' in event.data)
            assert orjson.loads(reset.data)["reason"] == "deleted"
            nursery.cancel_scope.cancel()

    play(scene)


def test_who_missed_the_end_is_shown_it_before_being_told_to_stay_away() -> None:
    async def scene(server: StreamServer) -> None:
        await server.said("hello")
        await server.runtime.thread("t").end()
        async with server.following(query=FROM_BEGINNING) as source:
            await source.until_type("caught_up")
            assert source.types[-2] == "thread.ended"
            assert source.status == 200

    play(scene)


def test_a_server_that_ends_sends_what_there_is_and_says_when_to_come_back() -> None:
    async def scene(server: StreamServer) -> None:
        async with server.following() as source:
            await source.until_type("caught_up")
            receipt = await server.runtime.thread("t").submit("hello")
            await source.until_type("turn.delta")
            await server.runtime.drain()
            await server.streams.end(8)
            assert len(server.streams) == 0
            await trio.testing.wait_all_tasks_blocked()
            assert source.ended == 1
            assert source.retry_seconds == 6  # drawn from 4 to 8
            last = source.bodies[-1]
            assert (last["type"], last["turn"]) == ("turn.interrupted", receipt.turn)

    play(scene, paced(PIECES, 0.7))


# Who reads


def test_a_viewer_is_present_and_coming_back_makes_no_flicker() -> None:
    async def scene(server: StreamServer) -> None:
        kept = server.source()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.run)
            await kept.until_type("caught_up")
            async with server.following(cuts=[600]) as source:
                await source.until_type("caught_up")
                await server.said("hello")
                await trio.sleep(5)
                assert len(source.asked) == 2
            await trio.sleep(LIMITS.presence_seconds + 1)
            nursery.cancel_scope.cancel()
        rolls = [body["attached"] for body in kept.bodies if body["type"] == "presence"]
        assert [sum(one["count"] for one in roll) for roll in rolls] == [1, 2, 1]

    play(scene, ThreadKind(on_turn=paced(PIECES), presence=True))


# What is refused


@pytest.mark.parametrize(
    ("thread", "query"),
    [("t", "?window=many"), ("t", "?window=501"), ("t", "?x=1"), ("t", "?thread=u"), ("-t", "")],
)
def test_what_is_wrong_is_refused(thread: str, query: str) -> None:
    async def scene(server: StreamServer) -> None:
        assert await status_of(server, thread, query=query) == 400
        assert len(server.streams) == 0

    play(scene)


def test_nothing_is_left_of_a_reader_that_has_gone() -> None:
    """I5, I20."""

    async def scene(server: StreamServer) -> None:
        async with server.following() as source:
            await source.until_type("caught_up")
            assert len(server.streams) == server.runtime.statistics().subscribers == 1
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.streams) == server.runtime.statistics().subscribers == 0
        assert server.connections == 0

    play(scene)
