"""`holdfast conform` finds out each of the broken servers, and names the rule."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from transport.testing.conformance import CHECKS, Report, check_server

from ..real_input.server_process import ROOT
from .broken_servers import BROKEN, broken_answer, broken_link
from .memory_carrier import memory_carrier

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "conformance.md"


async def checked(name: str, *rules: str) -> Report:
    wraps = partial(broken_link, name), partial(broken_answer, name)
    async with memory_carrier(*wraps) as carrier:
        return await check_server(carrier, CHECKS, run="broken", rules=rules, slow=True)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_server_is_found_out(name: str) -> None:
    rule = BROKEN[name][1]
    clock = trio.testing.MockClock(autojump_threshold=0)
    report = trio.run(checked, name, rule, clock=clock)
    assert rule in report.broken
    failure = next(each for each in report.failures if each.rule == rule)
    assert failure.expected
    assert failure.came
    assert failure.talk


def test_there_are_at_least_ten_and_the_page_names_them() -> None:
    assert len(BROKEN) >= 10
    page = HOW_TO.read_text()
    for name, (lie, rule) in BROKEN.items():
        assert f"| `{name}` | {lie.__doc__} | {rule} |" in page


def conform(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transport.cli", "conform", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def test_the_command_names_the_rule_over_a_real_socket() -> None:
    command = [sys.executable, "-m", "tests.conformance.broken_servers", "ends-twice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            told = conform(url, "--rule", "9", "--rule", "14")
            asked_json = conform(url, "--rule", "9", "--json")
        finally:
            server.terminate()
    assert told.returncode == 1
    assert "✗         9  Interrupt" in told.stdout
    assert "✓        14  Errors" in told.stdout
    assert "expected  one terminal event of a turn" in told.stdout
    assert told.stderr.strip() == "Error: broken: rule 9"
    assert asked_json.returncode == 1
    [rule] = [r for r in json.loads(asked_json.stdout)["rules"] if r["rule"] == "9"]
    assert rule["outcome"] == "failed"
    assert any("expected" in check and check["talk"] for check in rule["checks"])
