"""What the client is built of: addresses, and the nursery that stays out of the way."""

from __future__ import annotations

import pytest
import trio

from transport import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_URL
from transport.background import background_nursery
from transport.dial import websocket_url


class Mine(Exception):
    pass


class Theirs(Exception):
    pass


async def fail(exception: BaseException) -> None:
    await trio.lowlevel.checkpoint()
    raise exception


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8420", "ws://127.0.0.1:8420/ws"),
        ("http://127.0.0.1:8420/", "ws://127.0.0.1:8420/ws"),
        ("http://127.0.0.1:8420/ws", "ws://127.0.0.1:8420/ws"),
        ("http://127.0.0.1:8420/ws/", "ws://127.0.0.1:8420/ws"),
        ("https://chat.example", "wss://chat.example/ws"),
        ("wss://chat.example/ws", "wss://chat.example/ws"),
        ("ws://[::1]:8420/", "ws://[::1]:8420/ws"),
        ("https://example.org/chat/", "wss://example.org/chat/ws"),
        ("https://example.org/news", "wss://example.org/news/ws"),
        ("http://h/?room=1#top", "ws://h/ws?room=1"),
    ],
)
def test_an_address_gets_its_endpoint(url: str, address: str) -> None:
    assert websocket_url(url) == address


def test_a_client_without_an_address_asks_a_server_without_one() -> None:
    assert f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/" == DEFAULT_URL


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8420", "localhost", "ftp://h", "http://", "http://h:port", "http://h:99999"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        websocket_url(url)


async def test_tasks_end_with_the_body() -> None:
    async with background_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)


@pytest.mark.parametrize(
    "exception",
    [Mine(), KeyboardInterrupt(), BaseExceptionGroup("own", [Mine(), KeyboardInterrupt()])],
)
async def test_the_body_raises_for_itself(exception: BaseException) -> None:
    async def body() -> None:
        async with background_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await fail(exception)

    with pytest.raises(type(exception)) as raised:
        await body()
    assert raised.value is exception
    assert raised.value.__context__ is None


async def test_a_task_that_fails_cancels_the_body() -> None:
    async def body(at_last: BaseException | None) -> None:
        async with background_nursery() as nursery:
            nursery.start_soon(fail, Theirs())
            try:
                await trio.sleep_forever()
            finally:
                if at_last is not None:
                    raise at_last

    with pytest.raises(Theirs):
        await body(None)
    with pytest.raises(ExceptionGroup) as both:
        await body(Mine())
    assert sorted(type(exc).__name__ for exc in both.value.exceptions) == ["Mine", "Theirs"]


async def test_a_cancellation_from_outside_reaches_its_scope() -> None:
    with trio.CancelScope() as scope:
        async with background_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    # Also where it falls between the body's end and that of the tasks.
    with trio.CancelScope() as scope:
        async with background_nursery() as nursery:
            nursery.start_soon(cancel_at_last, scope)
            await trio.lowlevel.checkpoint()


async def cancel_at_last(scope: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        scope.cancel()
