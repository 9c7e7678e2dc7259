"""What came of a run: one result a check, and what was said and heard where one failed."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import frozen

from .rules import RULES

# Characters of a message that a report shows.
_CHARS: Final = 400


class Outcome(enum.StrEnum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Result:
    """What came of one check.

    Args:
        rule: a key of `RULES`; of a failure, the rule that was broken.
        name: the check's.
        outcome: how it went.
        reason: why it was skipped.
        expected: what had to come, of a failure.
        came: what came instead.
        sent: the last command before it.
        talk: the last lines that were said and heard on the connection, oldest first.
    """

    rule: str
    name: str
    outcome: Outcome
    reason: str | None = None
    expected: str | None = None
    came: str | None = None
    sent: str | None = None
    talk: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it without what is not there."""
        fields = {
            "rule": self.rule,
            "name": self.name,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "expected": self.expected,
            "came": self.came,
            "sent": self.sent,
            "talk": list(self.talk) or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


@frozen
class Report:
    """What came of a run.

    Args:
        results: in the order of the rules.
    """

    results: tuple[Result, ...]

    @property
    def failures(self) -> tuple[Result, ...]:
        """The results that failed."""
        return tuple(each for each in self.results if each.outcome is Outcome.FAILED)

    @property
    def broken(self) -> tuple[str, ...]:
        """The rules that were broken, in their order."""
        return tuple(dict.fromkeys(each.rule for each in self.failures))

    @property
    def passed(self) -> bool:
        """Whether something was checked, and nothing failed."""
        return not self.failures and any(r.outcome is Outcome.PASSED for r in self.results)

    def by_rule(self) -> Iterator[tuple[str, Sequence[Result]]]:
        """Yield each rule that has results, with them."""
        for rule in dict.fromkeys(each.rule for each in self.results):
            yield rule, [each for each in self.results if each.rule == rule]

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can say."""
        return {
            "passed": self.passed,
            "rules": [
                {
                    "rule": rule,
                    "title": RULES.get(rule, rule),
                    "outcome": outcome_of(results).value,
                    "checks": [each.as_json() for each in results],
                }
                for rule, results in self.by_rule()
            ],
        }


def outcome_of(results: Sequence[Result]) -> Outcome:
    """Return how a rule fared: failed where any check did, skipped where every one was."""
    outcomes = {each.outcome for each in results}
    for outcome in (Outcome.FAILED, Outcome.PASSED):
        if outcome in outcomes:
            return outcome
    return Outcome.SKIPPED


def shortened(text: str) -> str:
    """Return a text for a report: all of it, or its beginning and how long it is."""
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}… ({len(text):,} characters)"
