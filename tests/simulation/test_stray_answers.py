"""An answer that is another command's is what a run has found, and does not end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.testing import PLAIN, Scenario, Step, scripted
from actors.testing.operations import Attach, Submit
from transport.testing import simulate_wire
from transport.wire.replies import DetachReply

if TYPE_CHECKING:
    import pytest

SCENARIO = Scenario(((Step(2, "a", Attach()), Step(2, "a", Submit("1 stop"))),))


def test_i18_finds_the_body_of_another_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.session.reply_body", lambda *_: DetachReply())
    found = simulate_wire(SCENARIO, scripted, schedule=PLAIN).broken()
    assert any(each.invariant == "I18" and "rule 6" in each.message for each in found)
