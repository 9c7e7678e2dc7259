"""How soon `holdfast serve` has threads take turns, for as long as it runs."""

from __future__ import annotations

import sys

from transport.cli.switching import prompt_switching


def test_threads_take_turns_sooner_while_the_server_runs() -> None:
    before = sys.getswitchinterval()
    with prompt_switching():
        assert sys.getswitchinterval() < before / 5
    assert sys.getswitchinterval() == before
