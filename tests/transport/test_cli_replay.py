"""`holdfast replay` plays a kept case again, byte for byte, and says what it broke."""

from __future__ import annotations

import shlex
from random import Random
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from actors.testing import Cancel, Scenario, Step, Submit, sample_schedule, scripted, simulate
from actors.testing.operations import CutConnection
from tests.outside.booking import Assistant, OutsideItsScope
from transport.cli import main
from transport.testing import simulate_wire

if TYPE_CHECKING:
    from pathlib import Path

    from actors import Handler, Turn
    from actors.testing import World

HERE = "tests.transport.test_cli_replay"
CANCELLED = Scenario(((Step(0, "a", Submit("two")), Step(1, "a", Cancel())),))


def right(world: World) -> Handler:
    return Assistant(world.tool("booking", "b-7"))


def wrong(world: World) -> Handler:
    return OutsideItsScope(world.tool("booking", "b-7"))


async def handler(turn: Turn) -> None:
    await turn.write("by itself")


def replayed(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["replay", *arguments])
    return result.exit_code, result.output


def test_a_kept_case_is_the_same_again(tmp_path: Path) -> None:
    run = simulate(CANCELLED, right)
    run.keep(tmp_path / "case.json")
    code, told = replayed(str(tmp_path / "case.json"), "--handler", f"{HERE}:right")
    assert (code, told.strip()) == (0, run.story().strip())


def test_the_command_in_a_story_finds_it_again() -> None:
    schedules = (sample_schedule(Random(seed)) for seed in range(200))
    tried = (simulate(CANCELLED, wrong, schedule=schedule) for schedule in schedules)
    run = next(run for run in tried if run.broken())
    command = run.story(run.broken()).splitlines()[-1].removeprefix("or: holdfast replay ")
    arguments = shlex.split(command.replace("MODULE:FUNCTION", f"{HERE}:wrong"))
    code, told = replayed(*arguments)
    assert code == 1
    assert run.story(run.broken()) in told
    assert "Error: broken: I7" in told


def test_another_run_than_the_kept_one_is_told_apart(tmp_path: Path) -> None:
    asked = Scenario(((Step(0, "a", Submit("two")),),))
    simulate(asked, right).keep(tmp_path / "case.json")
    code, told = replayed(str(tmp_path / "case.json"), "--handler", f"{HERE}:handler")
    assert code == 1
    assert "not the one that was kept" in told


def test_a_case_of_the_wire_is_played_over_the_wire(tmp_path: Path) -> None:
    steps = (Step(0, "a", Submit("2 stop")), Step(0, "a", CutConnection()))
    run = simulate_wire(Scenario((steps,)), scripted)
    run.keep(tmp_path / "case.json")
    code, told = replayed(str(tmp_path / "case.json"))
    assert (code, told.strip()) == (0, run.story().strip())
    assert "network: connection" in told


@pytest.mark.parametrize("text", ["", "nothing", "[]", "{}", '{"scenario": 1, "schedule": {}}'])
def test_what_is_no_case_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(text)
    code, told = replayed(str(path))
    assert code == 1
    assert told.startswith("Error: ")
    assert replayed(str(tmp_path / "missing"))[0] == 1
