"""How long a thread stays active, and how many of a sort may be: policies that a kind opts into."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from ..core.arguments import is_text, shown
from ..core.fields import SECONDS_OR_NONE, as_seconds, is_seconds, is_whole

if TYPE_CHECKING:
    import attrs

    from ..limits import Limits


@frozen(kw_only=True)
class Passivate:
    """An idle actor goes and the thread stays: the next command activates it again (I14).

    Args:
        idle: seconds without a command after which it goes; None takes `limits.idle_seconds`.
    """

    idle: float | None = field(default=None, validator=SECONDS_OR_NONE)


@frozen(kw_only=True)
class EndAfter:
    """A deserted thread ends, as by the `end` command; until then its actor stays.

    The clock starts when the last attachment leaves, and the next one clears it. A thread that
    nobody ever attached to is left alone, and a turn is waited for.

    Args:
        ttl: seconds; the thread ends when nobody has been there for longer than that.
    """

    ttl: float = field(default=90.0, converter=as_seconds, validator=is_seconds(above_zero=True))


Lifetime: TypeAlias = Passivate | EndAfter


def idle_timeout(lifetime: Lifetime, limits: Limits, *, serving: bool) -> float:
    """Return for how many seconds an actor stays with nothing to do.

    Args:
        lifetime: the policy of its kind.
        limits: `idle_seconds` is the rule.
        serving: whether its service runs.
    """
    if isinstance(lifetime, EndAfter):
        return math.inf
    if lifetime.idle is not None:
        return lifetime.idle
    return math.inf if serving else limits.idle_seconds


def _is_word(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not is_text(value) or not value:
        wrong = ValueError if isinstance(value, str) else TypeError
        raise wrong(f"{attribute.name} takes a word, not {shown(value)}")


@frozen
class Capacity:
    """How many threads may be active at a time, of all kinds that have an equal one.

    Nothing is counted up or down: a place is taken exactly while a thread is active.

    Args:
        name: what there is only so much of, in a word, for the refusal.
        most: threads, at least 1.
    """

    name: str = field(validator=_is_word)
    most: int = field(validator=is_whole(1))
