"""The booking assistant in every order, and what is wrong with its wrong versions."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from actors import Handler, ThreadKind, Turn
from actors.testing import (
    InvariantBroken,
    RuntimeStateMachine,
    Scenario,
    Schedule,
    Submit,
    World,
    attach,
    cancel,
    crash,
    handler_contract,
    restart,
    scenarios,
    schedules,
    simulate,
    submit,
)
from tests.outside.booking import Assistant, OutsideItsScope, UnderAShield


def make_assistant(world: World) -> Handler:
    return Assistant(world.tool("booking", "b-7"))


SEVERAL = scenarios(submit("two", "three"), cancel(), attach(), crash(), restart())
# Where such a mistake shows: one thread that is asked and stopped, and little beside.
STOPPED = scenarios(submit("two", "three"), cancel(), threads=("a",), clients=2, phases=1, steps=4)


@settings(max_examples=60)
@given(SEVERAL, schedules())
def test_assistant_in_every_order(scenario: Scenario, schedule: Schedule) -> None:
    simulate(
        scenario, lambda world: Assistant(world.tool("booking", "b-7")), schedule=schedule
    ).check()


@pytest.mark.parametrize("wrong", [OutsideItsScope, UnderAShield])
def test_a_booking_that_survives_its_cancel_is_found(wrong: type[Assistant]) -> None:
    @settings(
        max_examples=3000,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(STOPPED, schedules())
    def in_every_order(scenario: Scenario, schedule: Schedule) -> None:
        simulate(scenario, lambda world: wrong(world.tool("booking")), schedule=schedule).check()

    with pytest.raises(
        InvariantBroken, match=r"booking, which t\d+ began, took effect after its end"
    ):
        in_every_order()


async def book(turn: Turn, seats: int) -> str:
    await trio.sleep(1.0)
    return f"b-{seats}"


def put_through(check: handler_contract.Check, handler: Handler) -> None:
    kind = ThreadKind(on_turn=handler, retry=True)
    trio.run(check, kind, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("check", handler_contract.CHECKS, ids=handler_contract.name_of)
def test_assistant_holds_the_contract(check: handler_contract.Check) -> None:
    put_through(check, Assistant(book))


def test_wrong_assistant_does_not_hold_the_contract() -> None:
    checks = {handler_contract.name_of(check): check for check in handler_contract.CHECKS}
    with pytest.raises(AssertionError, match="left tasks behind"):
        put_through(checks["stops_while_it_waits"], OutsideItsScope(book))


class Booking(RuntimeStateMachine):
    """The assistant, rule by rule."""

    def make_handler(self, world: World) -> Handler:
        return make_assistant(world)

    @rule(text=st.sampled_from(["two", "three"]), thread=st.sampled_from("ab"))
    def ask(self, text: str, thread: str) -> None:
        self.perform(Submit(text), thread=thread)

    @rule(seconds=st.sampled_from([0.001, 1.0]))
    def wait(self, seconds: float) -> None:
        self.advance(seconds)

    @rule()
    def die(self) -> None:
        self.crash()


def test_assistant_rule_by_rule() -> None:
    run_state_machine_as_test(Booking, settings=settings(max_examples=20))
