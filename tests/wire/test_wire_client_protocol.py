"""A client over connections that come and go at drawn places, on a server that is all there."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import Factory, define
from fake_wire_server import FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.position import Position, parse_cursor
from actors.limits import Limits
from transport.wire.client_events import Answered, ClientEvent, Deliver, NoAnswer, Refused
from transport.wire.client_protocol import ClientProtocol
from transport.wire.messages import Attach, Cancel, Delete, Goaway, Submit
from transport.wire.unanswered import may_retry

LIMITS = Limits(unanswered_commands=1000)
THREADS = ("a", "b")


@define
class Asked:
    """A command: what was known when it was asked, and when its thread was seen to go since."""

    command: Any
    connection: int
    epoch: int | None
    followed: bool
    gone_on: int | None = None


@define
class World:
    """A client, a server, what is under way between them, and what the caller was shown."""

    client: ClientProtocol = Factory(lambda: ClientProtocol(limits=LIMITS))
    server: FakeServer = Factory(FakeServer)
    connected: bool = False
    to_server: list[str] = Factory(list)
    views: dict[str, Position] = Factory(dict)
    epochs: dict[str, int] = Factory(dict)
    shown: set[str] = Factory(set)
    caught_up: set[str] = Factory(set)
    asked: dict[str, Asked] = Factory(dict)
    settled: Counter[str] = Factory(Counter)
    attach_epochs: dict[tuple[int, str], int] = Factory(dict)

    def do(self, step: str, thread: str, number: int) -> None:
        getattr(self, step)(thread, number)
        for frame in self.client.frames():
            assert isinstance(frame, str)
            self.to_server.append(frame)

    # What the world does.

    def append(self, thread: str, number: int) -> None:
        self.server.append(thread, 1 + number % 3)

    def fall_behind(self, thread: str, number: int) -> None:
        self.server.fall_behind(thread)

    def raise_floor(self, thread: str, number: int) -> None:
        self.server.logs[thread].floor = self.server.logs[thread].head.offset

    def delete_elsewhere(self, thread: str, number: int) -> None:
        self.server.delete(thread)

    def be_busy(self, thread: str, number: int) -> None:
        self.server.busy = True

    def drain(self, thread: str, number: int) -> None:
        if self.connected:
            self.server.drain(says_goaway=number > 1)

    def connect(self, thread: str, number: int) -> None:
        if not self.connected:
            self.connected = True
            self.server.begin()
            self.to_server.clear()
            self.shown.clear()
            self.caught_up.clear()
            self.client.connected()

    def cut(self, thread: str, number: int) -> None:
        if self.connected:
            self.connected = False
            self.heed(self.client.connection_lost(4005 if number else None))

    def carry_up(self, thread: str, number: int) -> None:
        for frame in self.to_server[:number] if self.connected else ():
            before = len(self.server.taken)
            self.server.take(frame)
            for taken in self.server.taken[before:]:
                self.look_at(taken)
        del self.to_server[:number]

    def carry_down(self, thread: str, number: int) -> None:
        frames, self.server.outbox = self.server.outbox[:number], self.server.outbox[number:]
        for frame in frames if self.connected else ():
            self.heed(self.client.receive(frame))

    # What the caller does.

    def attach(self, thread: str, number: int) -> None:
        view = self.views.get(thread) if number else None
        if view is None:
            self.views.pop(thread, None)
        self.shown.discard(thread)
        self.caught_up.discard(thread)
        self.client.attach(thread, view.cursor() if view else None)

    def detach(self, thread: str, number: int) -> None:
        view = self.views.get(thread)
        cursor = self.client.detach(thread)
        assert cursor is None or (view is not None and cursor == view.cursor())
        self.shown.discard(thread)
        self.epochs.pop(thread, None)
        for asked in self.asked.values():
            if asked.command.thread == thread:
                asked.followed = False

    def submit(self, thread: str, number: int) -> None:
        key = f"k{len(self.asked)}" if number else None
        self.ask(Submit(self.client.label(), thread, "hello", key))

    def cancel(self, thread: str, number: int) -> None:
        self.ask(Cancel(self.client.label(), thread, "u" if number else None))

    def delete(self, thread: str, number: int) -> None:
        self.ask(Delete(self.client.label(), thread))

    def ask(self, command: Any) -> None:
        followed = command.thread in self.client.following
        epoch = self.epochs.get(command.thread)
        self.asked[command.id] = Asked(command, self.server.connection, epoch, followed)
        self.client.send(command)

    # What has to hold.

    def look_at(self, taken: Any) -> None:
        thread = taken.command.thread
        if isinstance(taken.command, Attach):
            self.attach_epochs[self.server.connection, thread] = taken.epoch
            return
        asked = self.asked.get(taken.command.id)
        if asked is None or asked.connection == taken.connection:
            return
        gone = asked.gone_on is not None and asked.gone_on < taken.connection
        assert not gone, "the thread was deleted under this command"
        earlier = [t for t in self.server.taken[:-1] if t.command == taken.command]
        assert not earlier or may_retry(taken.command)
        attached = self.attach_epochs.get((taken.connection, thread))
        if asked.followed and asked.epoch is not None and attached is not None:
            assert attached == asked.epoch, "a retry brought a deleted thread back"

    def heed(self, events: list[ClientEvent]) -> None:
        for event in events:
            match event:
                case Deliver(message):
                    show = getattr(self, f"show_{type(message).__name__.lower()}", None)
                    assert show is not None or message == Goaway(1)
                    _ = show and show(message)
                case Refused(Attach(thread=thread), error):
                    assert error.retryable
                    if not self.server.draining:
                        self.client.reattach(thread)
                case Answered(command) | Refused(command) | NoAnswer(command):
                    self.settled[command.id] += 1
                    assert not isinstance(event, NoAnswer) or not may_retry(command)

    def show_attached(self, message: Any) -> None:
        thread, position = message.thread, parse_cursor(message.cursor)
        assert thread in self.client.following
        if message.mode == "resume":
            assert self.views[thread] == position
            self.shown.add(thread)
        self.epochs[thread] = position.epoch

    def show_snapshot(self, message: Any) -> None:
        assert message.thread in self.client.following
        self.views[message.thread] = parse_cursor(message.cursor)
        self.shown.add(message.thread)

    def show_events(self, message: Any) -> None:
        assert message.thread in self.shown
        view = self.views[message.thread]
        for entry in message.events:
            assert entry.offset == view.offset + 1
            view = Position(view.epoch, entry.to)
        self.views[message.thread] = view
        assert message.cursor == view.cursor() == self.client.cursor(message.thread)

    def show_caughtup(self, message: Any) -> None:
        assert message.thread in self.shown
        assert message.thread not in self.caught_up
        self.caught_up.add(message.thread)

    def show_detached(self, message: Any) -> None:
        assert message.thread in self.shown
        assert message.thread not in self.client.following
        assert message.cursor == self.views[message.thread].cursor()
        assert message.reason == "deleted"
        self.shown.discard(message.thread)
        self.epochs.pop(message.thread, None)
        for asked in self.asked.values():
            if asked.command.thread == message.thread and not self.settled[asked.command.id]:
                asked.gone_on = self.server.connection

    def come_to_rest(self) -> None:
        if self.server.draining:
            self.do("cut", "a", 0)
        self.do("connect", "a", 0)
        while self.to_server or self.server.outbox:
            self.do("carry_up", "a", 1000)
            self.do("carry_down", "a", 1000)
        assert self.client.unanswered == 0
        assert self.settled == Counter(dict.fromkeys(self.asked, 1))
        for thread in self.client.following:
            assert self.client.cursor(thread) == self.server.logs[thread].head.cursor()
            assert thread in self.caught_up


STEPS = (
    *("attach", "attach", "detach", "submit", "submit", "cancel", "delete"),
    *("append", "append", "fall_behind", "raise_floor", "delete_elsewhere", "be_busy", "drain"),
    *("connect", "connect", "connect", "cut", "cut"),
    *("carry_up", "carry_up", "carry_up", "carry_down", "carry_down", "carry_down"),
)


# Two bytes a step. A tape of fixed length gives long stories, where a drawn list gives short ones.
@settings(max_examples=300)
@given(st.binary(min_size=160, max_size=160))
def test_nothing_is_missed_repeated_or_brought_back_wherever_the_cuts_fall(tape: bytes) -> None:
    world = World()
    for which, number in zip(tape[::2], tape[1::2], strict=True):
        world.do(STEPS[which % len(STEPS)], THREADS[number % 2], number // 2 % 5)
    world.come_to_rest()
