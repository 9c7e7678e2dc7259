"""A case: a scenario and a schedule as one line of text, to be kept and played again."""

from __future__ import annotations

from typing import Any, Final

import orjson
from attrs import frozen
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from .operations import Operation
from .scenario import Scenario
from .schedule import Schedule

_converter: Final = Converter()
configure_tagged_union(Operation, _converter, tag_name="do")
_converter.register_unstructure_hook(bytes, bytes.hex)
_converter.register_structure_hook(bytes, lambda text, _: bytes.fromhex(text))


@frozen
class Kept:
    """A case and what is known of it.

    Args:
        scenario, schedule: what was run.
        replayed_by: the name of what runs it: `replay`, or `replay_wire` over a network.
        trace: the digest of its trace, where it is to be the same again.
    """

    scenario: Scenario
    schedule: Schedule
    replayed_by: str = "replay"
    trace: str | None = None


def write_kept(kept: Kept) -> str:
    """Return a case and what is known of it as one line of JSON."""
    raw: dict[str, Any] = _converter.unstructure(kept)
    known = {key: value for key, value in raw.items() if value not in (None, "replay")}
    return orjson.dumps(known).decode()


def read_kept(text: str) -> Kept:
    """Read what `write_kept` wrote, or `write_case`.

    Raises:
        ValueError: where the text is no case.
    """
    try:
        return _converter.structure(orjson.loads(text), Kept)
    except (KeyError, TypeError, AttributeError, ExceptionGroup) as exc:
        raise ValueError("this is no case of a simulation") from exc


def write_case(scenario: Scenario, schedule: Schedule) -> str:
    """Return both as one line of JSON."""
    return write_kept(Kept(scenario, schedule))


def read_case(text: str) -> tuple[Scenario, Schedule]:
    """Read them back.

    Raises:
        ValueError: where the text is no case.
    """
    kept = read_kept(text)
    return kept.scenario, kept.schedule
