"""Making a failing case small where Hypothesis did not draw it: fewer steps, fewer delays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, combinations, count, cycle, product
from random import Random
from typing import Final, TypeAlias

from attrs import evolve

from ..core.commands import OnBusy
from .operations import BreakActor, Cast, Submit
from .scenario import Scenario, Step
from .schedule import Delays, Explorer, Schedule, sample_schedule

# What a failing case consists of.
Case: TypeAlias = tuple[Scenario, Schedule]


# How far a tape is turned to have another order of the same delays, in bytes.
TURNS: Final = tuple(range(7, 256, 7))
# How many guesses there are for each step that is left, and of how many steps at most.
GUESSES: Final = 40
FEW: Final = 5
# How many guesses of a sort there are at the end, for each step over one.
ONCE_MORE: Final = 1500
# How many of those that are made plain have a single phase.
_AT_ONCE: Final = 0.5
# By how much a delay may come earlier in a tape at most.
EARLIER: Final = 12


def shrink(case: Case, fails: Callable[[Scenario, Schedule], bool], tries: int = 3000) -> Case:
    """Return a smaller case that still fails.

    Args:
        case: one that fails.
        fails: says whether another one does.
        tries: how many others to try at most.
    """
    budget = iter(range(tries))
    return _descend(_shortest(case, fails, budget, 1), fails, _smaller, budget)


def fewest_steps(
    case: Case, fails: Callable[[Scenario, Schedule], bool], tries: int = 1000, enough: int = 1
) -> int:
    """Return to how many steps a failing case comes down, whatever its delays; see `shrink`.

    Args:
        case: one that fails.
        fails: says whether another one does.
        tries: how many others to try at most.
        enough: where it has come down to so many steps, fewer are not sought.
    """
    scenario, _ = _shortest(case, fails, iter(range(tries)), enough)
    return _length(scenario)


def _shortest(
    case: Case, fails: Callable[[Scenario, Schedule], bool], budget: Iterator[int], enough: int
) -> Case:
    """Go down from a case, and look beside the way then: what is left may be there for its sake."""
    left = _descend(case, fails, _shorter, budget, enough)
    return _descend(left, fails, partial(_once_more, case), budget, enough)


def _length(scenario: Scenario) -> int:
    return sum(map(len, scenario.phases))


def _descend(
    case: Case,
    fails: Callable[[Scenario, Schedule], bool],
    simpler: Callable[[Case], Iterator[Case]],
    budget: Iterator[int],
    enough: int = 0,
) -> Case:
    """Go from case to simpler case until none fails any more, or the budget is spent.

    A case of `enough` steps is left as it is.
    """
    found = True
    while found and _length(case[0]) > enough:
        found = False
        for candidate in simpler(case):
            if next(budget, None) is None:
                return case
            if fails(*candidate):
                case, found = candidate, True
                break
    return case


def _shorter(case: Case) -> Iterator[Case]:
    """Yield cases of fewer steps: under the same schedule, under any, and under ones like it."""
    scenario, schedule = case
    fewer = [*map(Scenario, chain(_without_some(scenario.phases), _merged(scenario.phases)))]
    yield from product(fewer, (schedule,))
    yield from _guesses(scenario, schedule.explorer)
    yield from ((each, other) for other in _others(schedule) for each in fewer)


def _guesses(scenario: Scenario, explorer: Explorer) -> Iterator[Case]:
    """Yield a few of the steps under any schedule: many may be there for each other's sake.

    They are drawn, and the same ones every time.
    """
    steps = _length(scenario)
    for number in range(GUESSES * steps if steps > 1 else 0):
        yield from _guess(scenario, explorer, number, (1, min(steps - 1, FEW)))


def _once_more(first: Case, left: Case) -> Iterator[Case]:
    """Yield a few steps of the first case, and of what is left of it: one or two fewer than are.

    Two are left alone: that is a race, and a story. Every other time the steps are done to one
    thread, and their messages say no more than need be.
    """
    explorer, most = first[1].explorer, _length(left[0]) - 1
    for number in range(ONCE_MORE * most if most > 1 else 0):
        for scenario, _ in (first, left):
            steps = _plain(scenario, Random(f"plain {number}")) if number % 2 else scenario
            yield from _guess(steps, explorer, number, (most - 1, most))


def _guess(
    scenario: Scenario, explorer: Explorer, number: int, steps: tuple[int, int]
) -> Iterator[Case]:
    """Yield some of the steps under any schedule: from so many to so many."""
    random = Random(number)
    few = random.sample(range(_length(scenario)), random.randint(*steps))
    for phases in _only(scenario.phases, {*few}):
        yield Scenario(phases), sample_schedule(random, explorer)


def _others(schedule: Schedule) -> Iterator[Schedule]:
    """Yield schedules of the same choices in another order, every other time of the other sort."""
    tape = schedule.tape
    sorts = cycle((schedule.delays, *(each for each in Delays if each is not schedule.delays)))
    for turn, delays in zip(TURNS if any(tape) else (), sorts, strict=False):
        order = schedule.order and turn
        yield evolve(schedule, tape=tape[turn:] + tape[:turn], order=order, delays=delays)


# Phases of steps.
_Phases: TypeAlias = tuple[tuple[Step, ...], ...]


def _without_some(phases: _Phases) -> Iterator[_Phases]:
    """Yield phases without all steps of a client or on a thread, of a phase or two, or one step.

    A phase that is left empty may go as well, or stay: what comes after it comes later then.
    """
    steps = [step for phase in phases for step in phase]
    every = range(len(steps))
    for client in dict.fromkeys(step.client for step in steps):
        yield from _only(phases, {number for number in every if steps[number].client != client})
    for thread in dict.fromkeys(step.thread for step in steps):
        yield from _only(phases, {number for number in every if steps[number].thread != thread})
    for number in range(len(phases) - 1):
        yield (*phases[:number], *phases[number + 2 :])
    yield from _fewer_steps(phases)
    for number in every:
        yield from _only(phases, {*every} - {number})


def _merged(phases: _Phases) -> Iterator[_Phases]:
    """Yield phases in which one step does so often what two steps did to its thread."""
    steps = [step for phase in phases for step in phase]
    for (one, first), (other, second) in combinations(enumerate(steps), 2):
        does, again = first.operation, second.operation
        if first.thread != second.thread or type(does) is not type(again):
            continue
        if isinstance(does, Cast | BreakActor) and isinstance(again, Cast | BreakActor):
            often = evolve(does, times=does.times + again.times)
            both = _with(phases, one, evolve(first, operation=often))
            yield from _only(both, {*range(len(steps))} - {other})


def _plain(scenario: Scenario, random: Random) -> Scenario:
    """Return a scenario whose steps are all done to one thread, and whose messages say little else.

    What they say is said somewhere in them; the same may come of it in another place. One may do so
    often what several did, and what was done one after the other may be done at once.
    """
    steps = [step for phase in scenario.phases for step in phase]
    texts = [step.operation.text for step in steps if isinstance(step.operation, Submit)]

    def plain(step: Step) -> Step:
        does = step.operation
        if isinstance(does, Submit):
            on_busy = random.choice([*OnBusy])
            does = Submit(random.choice(texts), on_busy=on_busy, waits=does.waits)
        elif isinstance(does, BreakActor | Cast):
            alike = (each.operation for each in steps if type(each.operation) is type(does))
            often = sum(each.times for each in alike if isinstance(each, BreakActor | Cast))
            does = evolve(does, times=random.choice((does.times, often)))
        return evolve(step, thread=steps[0].thread, operation=does)

    phases = (steps,) if random.random() < _AT_ONCE else scenario.phases
    return Scenario(tuple(tuple(map(plain, phase)) for phase in phases))


def _with(phases: _Phases, place: int, new: Step) -> _Phases:
    numbers = count()
    return tuple(
        tuple(new if next(numbers) == place else step for step in phase) for phase in phases
    )


def _only(phases: _Phases, kept: set[int]) -> Iterator[_Phases]:
    """Yield phases of some of the steps, by their numbers; what is left empty goes, or stays."""
    numbers = count()
    left = tuple(tuple(step for step in phase if next(numbers) in kept) for phase in phases)
    closed = tuple(phase for phase in left if phase)
    yield closed
    if len(closed) < len(left):
        yield left


def _smaller(case: Case) -> Iterator[Case]:
    scenario, schedule = case
    for fewer in map(Scenario, _fewer_steps(scenario.phases)):
        yield fewer, schedule
    for tape in _plainer(schedule.tape):
        yield scenario, evolve(schedule, tape=tape)
    # Without some steps, what is left of the tape has to come so much earlier.
    for fewer in map(Scenario, _fewer_steps(scenario.phases)):
        for tape in _earlier(schedule.tape):
            yield fewer, evolve(schedule, tape=tape)
    if schedule.order:
        yield scenario, evolve(schedule, order=0)
    if schedule.delays is not Delays.FLAT:
        yield scenario, evolve(schedule, delays=Delays.FLAT)


def _fewer_steps(phases: _Phases) -> Iterator[_Phases]:
    for number, phase in enumerate(phases):
        yield (*phases[:number], *phases[number + 1 :])
        for step in range(len(phase)):
            fewer = (*phase[:step], *phase[step + 1 :])
            if fewer:
                yield (*phases[:number], fewer, *phases[number + 1 :])


def _plainer(tape: bytes) -> Iterator[bytes]:
    """Yield tapes with a shorter end, then with single stretches of noughts."""
    length = len(tape)
    for end in sorted({length // 2, length * 3 // 4, length - 1} - {length, -1}):
        yield tape[:end].rstrip(b"\0")
    width = length
    while width := width // 2:
        for start in range(0, length, width):
            if any(tape[start : start + width]):
                nought = bytes(len(tape[start : start + width]))
                yield (tape[:start] + nought + tape[start + width :]).rstrip(b"\0")


def _earlier(tape: bytes) -> Iterator[bytes]:
    """Yield tapes whose rest, from some delay on, comes earlier."""
    for index in range(len(tape)):
        for by in range(1, EARLIER):
            if tape[index] and by <= index and not any(tape[index - by : index]):
                yield tape[: index - by] + tape[index:]
