"""A base for Hypothesis's state machines that drive a live runtime, rule by rule.

    class Chat(RuntimeStateMachine):
        def make_handler(self, world):
            return my_handler

        @rule(text=st.sampled_from(["hello", "bye"]))
        def say(self, text):
            self.perform(Submit(text))

        @rule()
        def wait(self):
            self.advance(1.0)

    TestChat = Chat.TestCase

Virtual time stands still between rules and within them: only `advance` moves it, so what waits for
a timer waits for that. When the machine is torn down the run comes to rest as a simulation does,
and everything that was seen is held against every invariant.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from .facts import Answered, Called
from .history import History
from .operations import Crash, Operation, Restart
from .run import Run
from .scenario import Scenario, Step
from .schedule import PLAIN
from .script import scripted
from .simulation import PATIENCE, with_deadline
from .stepping import SteppedSimulation
from .world import SIMULATION_LIMITS, World

if TYPE_CHECKING:
    from ..actor.kinds import Handler, ThreadKind
    from ..limits import Limits
    from ..runtime import Runtime
    from .facts import Answer

T = TypeVar("T")


class RuntimeStateMachine(RuleBasedStateMachine):
    """Drives a live runtime; write rules that call `perform` and `advance`.

    Attributes:
        limits: the bounds of the runtime; a subclass may set others.
        world: where it runs, with its clock, its disk and its model.
    """

    limits: ClassVar[Limits] = SIMULATION_LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PLAIN, self.limits)
        self._steps: list[Step] = []
        self._stepped = SteppedSimulation(self.world, self.make_handler, self.kind)
        self._stepped.open()

    # What is tested

    def make_handler(self, world: World) -> Handler:
        """Return the handler under test; called anew in every life of the process."""
        return scripted(world)

    def kind(self, thread: str, handler: Handler) -> ThreadKind:
        """Return a thread's kind."""
        return with_deadline(thread, handler)

    # What rules do

    @property
    def runtime(self) -> Runtime:
        """The runtime of the present life. Read from it only: what it is told has to be seen."""
        return self._stepped.simulation.process.runtime

    @property
    def history(self) -> History:
        """Everything that was seen so far, indexed."""
        return History(tuple(self.world.recorder.records))

    def perform(self, operation: Operation, *, thread: str = "a", client: int = 0) -> Answer | None:
        """Have a client do something, and go on until nobody can go on without time.

        Returns:
            The answer; None where it has not come yet, or the operation has none.
        """
        before = len(self.world.recorder.records)
        step = Step(client, thread, operation)
        self._steps.append(step)
        self._stepped.begin(step)
        return self._answer(before)

    def _answer(self, since: int) -> Answer | None:
        facts = [record.fact for record in self.world.recorder.records[since:]]
        call = next((fact.call for fact in facts if isinstance(fact, Called)), None)
        answers = (f.answer for f in facts if isinstance(f, Answered) and f.call == call)
        return next(answers, None)

    def run(self, call: Callable[[], Awaitable[T]], *, within: float = 0.0) -> T:
        """Return what a coroutine function returns, such as a read; raises what it raises.

        Args:
            call: what to run beside the runtime, on its loop.
            within: virtual seconds that may go by meanwhile.

        Raises:
            StillWaiting: where it waits for longer.
        """
        return self._stepped.ask(call, within)

    def advance(self, seconds: float) -> None:
        """Let virtual time go by; timers go off in their order."""
        self._stepped.advance(seconds)

    def crash(self) -> None:
        """Kill the process between two steps, and start another on the same disk."""
        self.perform(Crash())

    def restart(self) -> None:
        """Drain the process, close it, and start another, in the time that this takes."""
        simulation = self._stepped.simulation
        closing = simulation.process
        self.perform(Restart())
        self.run(closing.closed, within=PATIENCE)
        self.run(simulation.serving, within=PATIENCE)

    def teardown(self) -> None:
        """Come to rest, and hold all that was seen against every invariant.

        Raises:
            InvariantBroken: with the story.
        """
        failing = sys.exception() is not None
        self._stepped.close()
        if not failing:
            scenario = Scenario(tuple((step,) for step in self._steps))
            Run(scenario, PLAIN, tuple(self.world.recorder.records), replayed_by=None).check()
