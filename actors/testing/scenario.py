"""Scenarios: what several clients do, in phases with quiescence between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import evolve, frozen
from hypothesis import strategies as st

from ..core.commands import OnBusy
from .along import Along
from .operations import (
    NOTE,
    REMARK,
    Attach,
    BreakActor,
    Cancel,
    Cast,
    Compact,
    Crash,
    Cursor,
    Damage,
    Delete,
    Detach,
    End,
    FailJournal,
    Fork,
    LetTimePass,
    Mend,
    Moment,
    Operation,
    Place,
    Record,
    Restart,
    Submit,
    Target,
    Truncate,
)
from .script import scripts
from .scripted_service import Wish

if TYPE_CHECKING:
    from random import Random


@frozen
class Step:
    """One client's operation on one thread. Steps of one client follow each other."""

    client: int
    thread: str
    operation: Operation

    def __str__(self) -> str:
        return f"client {self.client}, thread {self.thread}: {self.operation}"


# What may be drawn, the plain choices first.
Choices: TypeAlias = tuple[Operation, ...]

# How often a client waits for its answer before it does the next thing.
_WAITS: Final = (True, True, False)

# How many scenarios have a few sorts of operations alone, and how many sorts those are at most;
# how many, among others, have a few clients alone, or one thread.
SWARMS: Final = 0.5
_SWARM: Final = 10
# How many steps repeat an earlier one.
_REPEATS: Final = 0.2
# How many messages that come again under their key are to cut something first.
_RECUTS: Final = 0.25
_CUTS: Final = (Truncate(clear=True), Truncate(clear=False))

THREADS: Final = ("a", "b")
# The thread that forks make, and nobody else speaks to.
FORKED: Final = "c"
CLIENTS: Final = 3
# Turns that a cancellation, another message or a crash has the time to meet.
_LONG: Final = ("4 hang", "3 linger", "4 flush", "3 tool", "2 deaf", "3 slow")
# Casts in a row: more than `SIMULATION_LIMITS` have room for.
_FLOOD: Final = 4
PHASES: Final = 3
STEPS: Final = 5


@frozen
class Scenario:
    """What happens.

    Args:
        phases: steps that may overlap within a phase and never across: the next begins when
            everything is at rest.
    """

    phases: tuple[tuple[Step, ...], ...]


def submit(*texts: str, policies: Sequence[OnBusy] = tuple(OnBusy)) -> Choices:
    """Return submits: with and without a key, the same two keys again and again.

    Args:
        texts: what may be said; without any, what the `scripted` handler understands.
        policies: what to do where a turn runs.
    """
    said = texts or tuple(map(str, scripts()))
    # Few bodies, so that the same one comes under the same key, and often enough. Those of one key
    # differ in what is said, those of the other in what goes along.
    first, last = said[0], said[-1]
    keyed = dict.fromkeys((("k1", first, Along.NOTHING), ("k1", last, Along.NOTHING)))
    keyed |= dict.fromkeys(("k2", first, along) for along in Along)
    plain = ((None, text, along) for along in (Along.NOTHING, *Along) for text in said)
    bodies = (*plain, *tuple(keyed) * len(said))
    return tuple(
        Submit(text, key, policy, waits, along)
        for waits in _WAITS
        for policy in policies
        for key, text, along in bodies
    )


def cancel() -> Choices:
    """Return cancels: of whatever runs, of the newest turn, of an earlier one, of none."""
    targets = (Target.RUNNING, Target.NEWEST, Target.NEWEST, *Target)
    return tuple(
        Cancel(target, back, waits)
        for waits in _WAITS
        for back in (False, True)
        for target in targets
    )


def attach() -> Choices:
    """Return attachments: with no cursor, the newest, an old one, and ones that are no good."""
    cursors = (Cursor.NONE, Cursor.HELD, Cursor.HELD, Cursor.HELD, *Cursor)
    return tuple(Attach(cursor) for cursor in cursors)


def detach() -> Choices:
    """Return the detachment."""
    return (Detach(),)


def end() -> Choices:
    """Return the end of a thread's activation."""
    return (End(),)


def delete() -> Choices:
    """Return the deletion."""
    return (Delete(),)


def truncate() -> Choices:
    """Return truncations: by themselves, and with a message that takes the place of what goes."""
    with_cuts = (Submit(text, first=cut) for cut in _CUTS for text in ("1 stop", "2 tool"))
    return (*_CUTS * 2, *with_cuts)


def record() -> Choices:
    """Return records: with and without a key, the same two keys as submits have."""
    keyed = (Record(1, "k1"), Record(2, "k1"), Record(1, "k2"), Record(1, "k2", REMARK))
    return (Record(), Record(2), *keyed)


def fork() -> Choices:
    """Return forks: to a thread of their own, and to one that others speak to as well."""
    places = (*(Place.MESSAGE, Place.SHOWN) * 3, Place.EARLIER, Place.NONE, Place.UNKNOWN)
    keys = (None, None, "k1", "k2")
    return tuple(Fork(*each) for each in product((FORKED, FORKED, THREADS[1]), places, keys))


def casts(*wishes: str) -> Choices:
    """Return casts: one at a time, and more than fit into the inbox of a simulation.

    Args:
        wishes: what may be cast; without any, what the `scripted_service` understands.
    """
    records = (f"{Wish.RECORD} {number}" for number in (1, 2, 3))
    all_of_them = (*records, str(Wish.FAIL), str(Wish.RETURN), f"{Wish.FAIL} 2", str(Wish.DEAF))
    return tuple(Cast(wish, times) for times in (1, 1, _FLOOD) for wish in wishes or all_of_them)


def compact() -> Choices:
    """Return the compaction of the whole journal."""
    return (Compact(),)


def crash() -> Choices:
    """Return crashes of the whole process, with the restart that follows each."""
    return (*[Crash()] * 4, *(Crash(*each) for each in product(Moment, (False, True))))


def restart() -> Choices:
    """Return the ordered restart: drain, close, open."""
    return (Restart(),)


def let_time_pass() -> Choices:
    """Return waits: until an idle thread is passive, a grace has run out, a failure is forgotten.

    They are as long as that takes by `SIMULATION_LIMITS`.
    """
    return tuple(map(LetTimePass, (4, 16, 192, 192)))


def fail_journal() -> Choices:
    """Return failures of the whole journal, which the runtime then opens anew."""
    of_appends = (FailJournal(*each) for each in product(Moment, (False,), (False, True)))
    return (*of_appends, *[FailJournal(reads=True)] * 2)


def break_actor() -> Choices:
    """Return bugs in actors: what a restart heals, what needs an operator, what befalls others."""
    how = ((1, False), (1, False), (3, False), (4, True))
    return tuple(
        BreakActor(times, moment, settling, anywhere)
        for times, anywhere in how
        for moment, settling in product(Moment, (False, True))
    )


def damage() -> Choices:
    """Return damage to a thread's rows, and the operator who mends it."""
    return (Damage(), Mend())


@cache
def everything() -> tuple[Choices, ...]:
    """Return each sort of operation, the frequent ones more than once."""
    talking = (*[submit()] * 3, submit(*_LONG), *[cancel()] * 2, *[attach()] * 2)
    rare = (detach(), end(), crash(), restart(), truncate(), delete(), compact())
    time = (let_time_pass(), let_time_pass())
    # Few runs have services: those that have none make shorter stories.
    more = ((*record() * 5, *casts()), fork())
    # All in one: what goes wrong all the time hides what goes wrong by itself.
    faults = (*fail_journal() * 2, *break_actor(), *damage() * 6)
    return (*talking, *rare, *time, *more, faults, faults)


def scenarios(
    *operations: Choices,
    threads: Sequence[str] = THREADS,
    clients: int = CLIENTS,
    phases: int = PHASES,
    steps: int = STEPS,
) -> st.SearchStrategy[Scenario]:
    """Draw scenarios.

    Args:
        operations: what may happen, such as `submit(), cancel()`; without any, everything.
        threads: the threads to do it to; the first one is the most likely.
        clients: how many there are at most.
        phases: at most.
        steps: in one phase, at most.
    """
    # Few choices, each of much: every one of them costs time.
    choices = operations or everything()
    who = st.sampled_from(_who(threads, range(clients)))
    step = st.builds(_step, who, st.one_of(*map(st.sampled_from, choices)))
    phase = st.lists(step, min_size=1, max_size=steps).map(tuple)
    return st.lists(phase, min_size=1, max_size=phases).map(_scenario)


def sample_scenario(
    random: Random,
    *operations: Choices,
    phases: int = PHASES,
    steps: int = STEPS,
    swarms: float = SWARMS,
) -> Scenario:
    """Return a scenario of a random generator: quicker than Hypothesis, for long campaigns.

    Some leave most sorts of operations out, or most operations, so that the others come close
    together; some leave clients or threads out, so that what is done is done to the same; and a
    step may do once more what an earlier one did.

    Args:
        random: seeded by whoever wants the same one again.
        operations, phases, steps: as for `scenarios`.
        swarms: how many leave things out: 0 to 1.
    """
    choices = _some(random, operations or everything(), swarms)
    who = _who(THREADS, range(CLIENTS))
    if random.random() < swarms:
        clients = random.sample(range(CLIENTS), random.randint(1, CLIENTS))
        who = _who(THREADS[: random.randint(1, len(THREADS))], clients)
    done: list[Step] = []
    drawn = []
    for _ in range(random.randint(1, phases)):
        count = random.randint(1, steps)
        drawn.append(tuple(_sampled(random, who, choices, done) for _ in range(count)))
    return Scenario(tuple(drawn))


def _some(random: Random, choices: Sequence[Choices], swarms: float) -> Sequence[Choices]:
    """Leave out most sorts, or most operations: the first sort is always among those that stay."""
    alone = random.random()
    if alone >= swarms or len(choices) == 1:
        return choices
    others = random.sample(choices[1:], random.randint(1, min(_SWARM, len(choices)) - 1))
    few = (choices[0], *others)
    return few if alone < swarms / 2 else [(random.choice(sort),) for sort in few]


def _sampled(
    random: Random, who: list[tuple[int, str]], choices: Sequence[Choices], done: list[Step]
) -> Step:
    if done and random.random() < _REPEATS:
        earlier = random.choice(done)
        return Step(random.choice(who)[0], earlier.thread, _again(random, earlier.operation))
    step = Step(*random.choice(who), random.choice(random.choice(choices)))
    done.append(step)
    return step


def _again(random: Random, operation: Operation) -> Operation:
    """Return what repeats an operation; one with a key may say something else under it."""
    match operation:
        case Record(key=str()):
            return evolve(operation, kind=random.choice((NOTE, REMARK)))
        case Submit(key=str()) if random.random() < _RECUTS:
            return evolve(operation, first=random.choice(_CUTS))
        case Submit(key=str()):
            return evolve(operation, along=random.choice((operation.along, *Along)))
        case _:
            return operation


def _who(threads: Sequence[str], clients: Sequence[int]) -> list[tuple[int, str]]:
    return [(client, thread) for thread in (*threads[:1], *threads) for client in clients]


def _step(who: tuple[int, str], operation: Operation) -> Step:
    return Step(*who, operation)


def _scenario(phases: list[tuple[Step, ...]]) -> Scenario:
    return Scenario(tuple(phases))
