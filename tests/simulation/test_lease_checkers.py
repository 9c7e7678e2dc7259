"""Leases that run out: the checker is silent about what may be, and finds what it is there for."""

from __future__ import annotations

from actors.testing.checkers import CHECKERS
from actors.testing.facts import Done
from actors.testing.operations import End
from actors.testing.schedule import TICK
from actors.testing.service_facts import (
    Held,
    LeaseRenewed,
    LeaseReturned,
    LeaseTaken,
    LetGo,
    RenewalAsked,
    ServiceEntered,
    ServiceExited,
)
from tests.simulation.histories import Told

# Ticks for which what is lent here lasts.
LASTS = 8


def lent(lease: str = "gpu-1", run: int = 1) -> Told:
    """Begin a history in which a service has a lease."""
    told = Told()
    told.note(ServiceEntered("a", run), LeaseTaken("a", lease))
    told.note(Held("a", run, lease, LASTS * TICK))
    return told


def over(told: Told, error: str | None, after: int) -> None:
    """Have the service let go of it, so many ticks later, and end."""
    told.note(LetGo("a", 1, "gpu-1"), after=after)
    told.note(LeaseReturned("gpu-1"), ServiceExited("a", 1, error))


def found(told: Told, checker: str = "I11, of renewals") -> list[str]:
    return [f"{each.invariant}: {each.message}" for each in CHECKERS[checker](told.history())]


def test_a_service_works_with_a_lease_while_it_lasts() -> None:
    told = lent()
    over(told, None, after=LASTS)
    assert found(told) == []


def test_a_lease_that_is_renewed_lasts_from_when_that_was_asked_for() -> None:
    told = lent()
    told.note(RenewalAsked("gpu-1"), LeaseRenewed("gpu-1"), after=3)
    over(told, "LeaseLost", after=LASTS - 3)
    assert found(told) == []


def test_what_does_not_stop_is_left_without_its_lease() -> None:
    told = lent()
    told.note(LeaseReturned("gpu-1"))
    told.note(LetGo("a", 1, "gpu-1"), after=9 * LASTS)
    assert found(told) == []


def test_i11_finds_a_service_that_goes_on_with_a_lease_that_has_run_out() -> None:
    told = lent()
    told.note(RenewalAsked("gpu-1"), after=3)
    over(told, None, after=LASTS)
    assert found(told) == ["I11: a service went on with gpu-1, run out"]


def test_i11_finds_a_lease_that_is_lost_although_it_was_renewed() -> None:
    told = lent()
    told.note(RenewalAsked("gpu-1"), LeaseRenewed("gpu-1"), after=3)
    over(told, "LeaseLost", after=2)
    assert found(told) == ["I11: a service is told that it lost gpu-1 early"]


def test_i11_finds_a_lease_that_is_renewed_after_it_was_given_back() -> None:
    told = lent()
    over(told, None, after=2)
    told.note(RenewalAsked("gpu-1"))
    assert found(told) == ["I11: gpu-1 is renewed after it was given back"]


def test_an_end_waits_for_no_service_that_was_left_without_its_lease() -> None:
    told = lent()
    told.note(LeaseReturned("gpu-1"))
    told.call(End(), Done(existed=True))
    assert found(told, "I1, of services") == []


def test_an_end_waits_for_a_service_that_has_its_lease() -> None:
    told = lent()
    told.call(End(), Done(existed=True))
    assert found(told, "I1, of services") == ["I11: a was ended before its service was gone"]
