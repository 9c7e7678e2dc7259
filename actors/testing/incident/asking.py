"""The commands of an incident, made whole again, and what a simulation calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from ...core import commands
from ...core.effects import Closed, Opened
from ...core.position import parse_cursor
from ...errors import PositionUnrecoverable, Rejected
from .. import operations
from ..facts import Done, Refused
from .lines import Answered
from .past import Body, Past

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.effects import Result
    from ..facts import Answer
    from .lines import Asked, Line

# What is asked for, as a history knows it, what it names, and the command itself.
Question: TypeAlias = tuple[operations.Operation, str | None, commands.Command]


@define
class Bodies:
    """Finds what was said in a command: the recording has no more than its digest.

    What was refused is nowhere: the same words stand for it wherever its digest is the same.
    """

    past: Past
    _by_digest: dict[str, Body] = field(factory=dict)

    def of(self, asked: Asked, answered: Answered | None) -> Body:
        """Return it; `answered` may name the turn that an earlier command with it began."""
        names = (asked.turn or asked.record, answered.turn if answered else None)
        known = (self.past.bodies[name] for name in names if name in self.past.bodies)
        body = next(known, None) or self._by_digest.get(asked.digest)
        body = body or Body(f"(not in the journal: {asked.digest[:8]})")
        return self._by_digest.setdefault(asked.digest, body)


def answers_of(lines: Sequence[Line]) -> dict[int, Answered]:
    """Return the answers of one life of the process, by number."""
    return {line.n: line for line in lines if isinstance(line, Answered)}


def question(asked: Asked, body: Body) -> Question | None:
    """Return a command as it was asked; None for one that a simulation does not know."""
    match asked.command:
        case "submit":
            return _submit(asked, body)
        case "record":
            record = commands.Record(
                record=asked.record or "",
                principal=asked.principal,
                kind=asked.kind,
                data=body.content,
                key=asked.key,
            )
            return operations.Record(body.content, asked.key, asked.kind), None, record
        case "fork":
            fork = commands.Fork(
                to=asked.to, after=asked.after, principal=asked.principal, key=asked.key
            )
            return operations.Fork(asked.to, key=asked.key), asked.after, fork
        case "cancel":
            target = operations.Target.NEWEST if asked.turn else operations.Target.RUNNING
            cancel = commands.Cancel(turn=asked.turn, rollback=asked.rollback)
            return operations.Cancel(target, asked.rollback), asked.turn, cancel
        case "truncate":
            truncate = commands.Truncate(truncate=commands.Truncation(asked.after))
            return operations.Truncate(asked.after is None), asked.after, truncate
        case "open":
            return operations.Open(), None, commands.Open()
        case "end":
            return operations.End(), None, commands.End(asked.unless_busy)
        case "delete":
            return operations.Delete(asked.unless_used), None, commands.Delete(asked.unless_used)
    return None


def _submit(asked: Asked, body: Body) -> Question:
    submit = commands.Submit(
        turn=asked.turn or "",
        principal=asked.principal,
        content=body.content,
        key=asked.key,
        on_busy=asked.on_busy,
        metadata=body.metadata,
        attachments=body.attachments,
        truncate=commands.Truncation(asked.after) if asked.cuts else None,
    )
    return operations.Submit(body.content, asked.key, asked.on_busy), None, submit


def answer_of(answer: Result | Rejected) -> Answer:
    """Return an answer as a history knows it."""
    if isinstance(answer, Rejected):
        return Refused(answer.code, answer.details.get("turn"))
    return Done(answer.existed) if isinstance(answer, Opened | Closed) else answer


def in_a_word(answer: Answered | Result | Rejected | None) -> str:
    """Return what is to be the same again in an answer."""
    match answer:
        case None:
            return "no answer"
        case Rejected(code=code):
            return f"refused, {code}"
        case Answered(refused=str(code)):
            return f"refused, {code}"
        case Answered(answer=sort):
            name = sort
        case _:
            name = type(answer).__name__.lower()
    names = ("turn", "outcome", "existed")
    told = [f"{each} {getattr(answer, each)}" for each in names if _tells(answer, each)]
    again = ["again"] if getattr(answer, "duplicate", False) else []
    return ", ".join([str(name), *told, *again])


def _tells(answer: object, name: str) -> bool:
    return getattr(answer, name, None) is not None


def cursor_then(cursor: str | None, epoch: int) -> str | None:
    """Return a cursor as the simulation has it, where every thread's first epoch is 1."""
    if cursor is None:
        return None
    try:
        position = parse_cursor(cursor)
    except PositionUnrecoverable:
        return "no cursor"
    # One of another life that nobody remembers stays one that nobody knows.
    since = position.epoch - epoch
    return f"{since + 1 if since >= 0 else 10**6}.{position.offset}"
