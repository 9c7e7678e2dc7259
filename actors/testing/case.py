"""A case: a scenario and a schedule as one line of text, to be kept and played again."""

from __future__ import annotations

from typing import Any, Final

import orjson
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from .operations import Operation
from .scenario import Scenario
from .schedule import Schedule

_converter: Final = Converter()
configure_tagged_union(Operation, _converter, tag_name="do")
_converter.register_unstructure_hook(bytes, bytes.hex)
_converter.register_structure_hook(bytes, lambda text, _: bytes.fromhex(text))


def write_case(scenario: Scenario, schedule: Schedule) -> str:
    """Return both as one line of JSON."""
    case = {
        "scenario": _converter.unstructure(scenario),
        "schedule": _converter.unstructure(schedule),
    }
    return orjson.dumps(case).decode()


def read_case(text: str) -> tuple[Scenario, Schedule]:
    """Read them back.

    Raises:
        ValueError: where the text is no case.
    """
    raw: dict[str, Any] = orjson.loads(text)
    try:
        scenario = _converter.structure(raw["scenario"], Scenario)
        return scenario, _converter.structure(raw["schedule"], Schedule)
    except (KeyError, TypeError, ExceptionGroup) as exc:
        raise ValueError("this is no case of a simulation") from exc
