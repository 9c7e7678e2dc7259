"""A live runtime, driven rule by rule, does what a thread that is sequential would do."""

from __future__ import annotations

from functools import partial, reduce
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from actors import Snapshot, Submitted, ThreadKind, Turn, TurnState
from actors.handles import LOCAL
from actors.testing import (
    TICK,
    InvariantBroken,
    RuntimeStateMachine,
    StillWaiting,
    World,
    attach,
    cancel,
    detach,
    submit,
    truncate,
)
from actors.testing.checkers.sequential import Sequential
from actors.testing.facts import Refused
from actors.testing.operations import Operation, Submit

if TYPE_CHECKING:
    from actors import Handler
    from actors.testing.facts import Answer

THREADS = ("a", "b")
threads = st.sampled_from(THREADS)
clients = st.integers(0, 2)


class Chat(RuntimeStateMachine):
    """Clients who talk, cancel and watch, in a process that dies and comes back."""

    @rule(asked=st.sampled_from(submit()), thread=threads, client=clients)
    def submit(self, asked: Submit, thread: str, client: int) -> None:
        before = self.model(thread)
        answer = self.perform(asked, thread=thread, client=client)
        if answer is None:
            assert before.live is not None, "nothing is in the way of an answer"
        elif isinstance(answer, Submitted) and not answer.duplicate:
            # One that interrupts makes room for itself first.
            assert self.model(thread, answer.turn).has_room(asked, self.limits.queued_turns)
        else:
            self.check_refused(before, asked, answer)

    def check_refused(self, before: Sequential, asked: Submit, answer: Answer) -> None:
        body, turn = before.keys.get((LOCAL, asked.key), (None, None))
        # Nothing that comes under a key here is to cut anything first.
        repeated = body is not None and body[:3] == ("submit", asked.text, asked.along)
        match answer:
            case Submitted(duplicate=True):
                assert repeated
                assert answer.turn == turn
            case Refused(code="idempotency_conflict"):
                assert body is not None
                assert not repeated
            case Refused(code=code):
                assert code in ("turn_in_progress", "queue_full")
                assert body is None
                assert not before.has_room(asked, self.limits.queued_turns)
            case _:
                raise AssertionError(answer)

    @rule(
        operation=st.sampled_from([*cancel(), *attach(), *detach(), *truncate()]),
        thread=threads,
        client=clients,
    )
    def do(self, operation: Operation, thread: str, client: int) -> None:
        self.perform(operation, thread=thread, client=client)

    @rule(ticks=st.sampled_from([1, 3, 9, 300]))
    def wait(self, ticks: int) -> None:
        before = self.world.clock.current_time()
        self.advance(ticks * TICK)
        assert self.world.clock.current_time() == before + ticks * TICK

    @rule()
    def die(self) -> None:
        self.crash()

    @rule()
    def go_and_come_back(self) -> None:
        self.restart()

    @invariant()
    def a_thread_is_what_its_events_make_it(self) -> None:
        for thread in THREADS:
            model, shown = self.model(thread), self.run(partial(self.shown, thread))
            assert shown.turn is None or shown.turn.turn == model.live
            assert (shown.turn is None) == (model.live is None)
            assert tuple(queued.turn for queued in shown.queue) == model.queue
            said = {item.turn for item in shown.items if item.kind != "record"}
            assert said == set(model.settled)

    def model(self, thread: str, up_to: str | None = None) -> Sequential:
        """Return what the events make of a thread; those before a turn was submitted, or all."""
        log = self.history.logs[thread]
        before = takewhile(lambda e: (e.type, e.raw.get("turn")) != ("turn.submitted", up_to), log)
        return reduce(Sequential.after, before, Sequential())

    async def shown(self, thread: str) -> Snapshot:
        async with self.runtime.thread(thread).attach(window=500) as subscription:
            snapshot = await anext(subscription)
        assert isinstance(snapshot, Snapshot)
        return snapshot


def test_a_live_runtime_is_what_its_events_make_it() -> None:
    run_state_machine_as_test(Chat, settings=settings(max_examples=40, stateful_step_count=20))


class Patient(RuntimeStateMachine):
    """A handler that takes a second."""

    def make_handler(self, world: World) -> Handler:
        async def reply(turn: Turn) -> None:
            await trio.sleep(1.0)
            await turn.write("done")

        return reply

    def kind(self, thread: str, handler: Handler) -> ThreadKind:
        return ThreadKind(on_turn=handler)

    @rule()
    def wait(self) -> None:
        self.advance(1.0)


def test_time_stands_still_until_it_is_moved() -> None:
    machine = Patient()
    try:
        asked = machine.perform(Submit("hello"))
        assert isinstance(asked, Submitted)
        ended = lambda: machine.runtime.thread("a").outcome(asked.turn)  # noqa: E731 - asked twice
        with pytest.raises(StillWaiting):
            machine.run(ended)
        machine.advance(0.5)
        with pytest.raises(StillWaiting):
            machine.run(ended)
        assert machine.run(ended, within=3.0).state is TurnState.COMPLETED
        assert machine.world.clock.current_time() == 1.0
    finally:
        machine.teardown()


class Careless(RuntimeStateMachine):
    """A handler that leaves a task behind."""

    def make_handler(self, world: World) -> Handler:
        async def reply(turn: Turn) -> None:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)

        return reply

    @rule()
    def say(self) -> None:
        self.perform(Submit("hello"))


def test_what_is_left_behind_is_found_when_the_machine_is_torn_down() -> None:
    machine = Careless()
    machine.say()
    with pytest.raises(InvariantBroken, match="tasks are left"):
        machine.teardown()


def fail(machine: Careless) -> None:
    try:
        machine.say()
        raise ZeroDivisionError
    finally:
        machine.teardown()


def test_a_failure_of_a_rule_is_the_one_that_is_told() -> None:
    machine = Careless()
    with pytest.raises(ZeroDivisionError):
        fail(machine)


def test_it_is_one_of_hypothesis_own() -> None:
    assert issubclass(RuntimeStateMachine, RuleBasedStateMachine)
