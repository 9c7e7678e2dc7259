"""Everything races everything over the simulated network; see `wire`, which does it for longer."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from actors.core.effects import RecordReceipt, Submitted
from actors.testing import (
    PLAIN,
    Scenario,
    Schedule,
    Step,
    read_case,
    sample_scenario,
    sample_schedule,
    scenarios,
    schedules,
    scripted,
    write_case,
)
from actors.testing.facts import Answered, Attached, Refused, Saw
from actors.testing.operations import (
    Attach,
    Cancel,
    CutConnection,
    Delete,
    Detach,
    Fork,
    ListThreads,
    ReadPage,
    Submit,
)
from actors.testing.read_facts import Listing, Page
from actors.testing.wire_facts import Delivered, Disconnected, Sent, Shown, TurnedAway
from tests.simulation.wire import race, runs
from transport.testing import replay_wire, simulate_wire, wire_everything
from transport.testing.frames import Frames

RUNS = 300
KEPT = sorted(Path(__file__).parent.glob("wire_cases/*.json"))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(*wire_everything()), schedules())
def test_no_race_over_the_wire_breaks_an_invariant(scenario: Scenario, schedule: Schedule) -> None:
    """H8, B1, B17: with cuts, late messages and strangers."""
    race(scenario, schedule).check()


def test_the_races_reach_what_they_are_for() -> None:
    """Retries under a key, resumed streams, strangers sent away, and every way to part."""
    duplicates = recorded = resumes = strangers = pages = listings = forks = 0
    codes: set[int] = set()
    for run in islice(runs(seed=1), RUNS):
        run.check()
        forks += sum(isinstance(call.operation, Fork) for call in run.history.calls.values())
        for record in run.records:
            match record.fact:
                case Answered(answer=Submitted(duplicate=True)):
                    duplicates += 1
                case Answered(answer=RecordReceipt()):
                    recorded += 1
                case Answered(answer=Page(items=items)):
                    pages += bool(items)
                case Answered(answer=Listing(lines=lines)):
                    listings += bool(lines)
                case Answered(answer=Attached(mode="resume")):
                    resumes += 1
                case Answered(answer=Refused(code="forbidden")):
                    strangers += 1
                case Disconnected(code=code):
                    codes.add(code)
                case _:
                    pass
    assert min(duplicates, recorded, resumes, strangers) > RUNS / 20
    assert min(listings, forks) > RUNS / 100
    assert pages
    assert {1000, 1006, 4001, 4002} <= codes


def test_raw_clients_pipeline_and_attach_over_what_they_follow() -> None:
    pipelined = attached_over = 0
    for run in islice(runs(seed=5), RUNS // 3):
        following: set[tuple[int, str]] = set()
        waiting: dict[int, tuple[int, str]] = {}
        for record in run.records:
            match record.fact:
                case Sent(connection=connection, call=number):
                    call = run.history.calls[number]
                    place = connection, call.thread
                    pipelined += place in waiting.values()
                    waiting[number] = place
                    if isinstance(call.operation, Attach):
                        attached_over += place in following
                        following.add(place)
                    elif isinstance(call.operation, Detach):
                        following.discard(place)
                case Answered(call=number):
                    waiting.pop(number, None)
                case _:
                    pass
    assert min(pipelined, attached_over) > RUNS / 20


def test_pages_ask_over_http_and_their_streams_come_back() -> None:
    """Each request is a connection of its own; what is shown there may be no good."""
    commands: Counter[type] = Counter()
    turned_away = resumed = shown = 0
    for run in islice(runs(seed=4), 2 * RUNS):
        connections = {n: c for n, c in run.history.sent.items() if c > 100_000}
        for number in connections:
            call = run.history.calls[number]
            commands[type(call.operation)] += 1
            if isinstance(call.answer, Attached):
                resumed += call.answer.mode == "resume"
                shown += 1
        turned_away += sum(isinstance(record.fact, TurnedAway) for record in run.records)
    assert min(commands[each] for each in (Submit, Cancel, ReadPage, ListThreads)) > RUNS / 20
    assert min(resumed, shown, turned_away, commands[Delete]) > RUNS / 50


def test_frames_are_held_against_the_rules_one_by_one() -> None:
    frames = Frames()
    for message in (
        {"type": "attach", "id": "1", "thread": "a"},
        {"type": "detach", "id": "2", "thread": "a"},
    ):
        frames.sent(message)
    attached = {"type": "attached", "id": "1", "thread": "a", "cursor": "1.4", "mode": "snapshot"}
    reply = {"type": "reply", "id": "2", "body": {}}
    events = {"type": "events", "thread": "a", "events": [{"offset": 6}], "cursor": "1.6"}
    assert list(frames.take(attached)) == []
    assert [rule for rule, _ in frames.take(events)] == ["1"]
    assert [rule for rule, _ in frames.take(reply)] == ["13"]
    assert [rule for rule, _ in frames.take(reply)] == ["6"]


def test_a_case_gives_the_same_trace_every_time() -> None:
    for number in range(30):
        random = Random(number)
        case = sample_scenario(random, *wire_everything()), sample_schedule(random)
        kept = read_case(write_case(*case))
        assert kept == case
        assert race(*case).trace == race(*kept).trace


SHORT = Scenario(
    (
        (Step(0, "a", Attach()), Step(0, "a", Submit("2 stop", "k"))),
        (Step(0, "a", CutConnection()), Step(0, "a", Submit("2 stop", "k"))),
    )
)


def test_a_story_tells_of_the_network_and_says_how_to_play_it_again() -> None:
    run = simulate_wire(SHORT, scripted)
    story = run.check().story()
    assert "network: connection 1, cut the connection" in story
    assert "connection 1 is over (1006)" in story
    assert "client 0 has connection 2, as ada" in story
    assert f"replay_wire({run.case!r}, make_handler)" in story
    assert replay_wire(run.case, scripted).trace == run.trace


def test_without_faults_user_and_wire_see_the_same() -> None:
    run = simulate_wire(Scenario(SHORT.phases[:1]), scripted, schedule=PLAIN)
    facts = [record.fact for record in run.records]
    seen = [(type(fact.batch), fact.batch.cursor) for fact in facts if isinstance(fact, Saw)]
    shown = [(type(fact.batch), fact.batch.cursor) for fact in facts if isinstance(fact, Shown)]
    assert seen == shown
    assert any(isinstance(fact, Delivered) for fact in facts)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_broke_stays_mended(path: Path) -> None:
    race(*read_case(path.read_text())).check()
