"""A restart agrees with what was there: for any run of commands, at any point of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from core_shell import EPOCH, CoreShell, plain, queue, running, submit, text
from hypothesis import example, given
from hypothesis import strategies as st

from actors.core.apply import restore
from actors.core.commands import Cancel, Delete, End, Ending, OnBusy, Recover
from actors.core.events import Entry, TurnEnded, TurnItem
from actors.core.head import Head
from actors.core.projections import fold_turn
from actors.core.turn_lifecycle import ENDINGS, TurnState
from actors.errors import JournalCorrupt

Op = tuple[str, int, int]
SUBMITS = ("submit", "queue", "interrupt", "rollback")
OPS = (
    *SUBMITS,
    "text",
    "think",
    "item",
    "exit",
    "exit and drain",
    "cancel",
    "end",
    "delete",
    "truncate",
    "recover",
    "retry",
)
OPERATIONS = st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 9), st.integers(0, 9)))
POLICY = {
    "submit": OnBusy.REJECT,
    "queue": OnBusy.QUEUE,
    "interrupt": OnBusy.INTERRUPT,
    "rollback": OnBusy.ROLLBACK,
}
REACHABLE = sorted(ENDINGS)


def play(shell: CoreShell, op: Op, fresh: str) -> None:
    """Do one operation, where the thread is in a state to."""
    name, x, y = op
    if name in SUBMITS:
        shell.tries(submit(fresh, on_busy=POLICY[name], metadata={"n": x}))
    elif name in ("text", "think", "item", "exit", "exit and drain"):
        play_live(shell, op)
    elif name == "cancel":
        waiting = [each.turn for each in shell.state.queue]
        shell.tries(Cancel(turn=(waiting * 10)[x] if waiting and y % 2 else None))
    elif shell.held is not None:
        return  # commands behind one that is held wait
    elif name in ("end", "delete"):
        shell.do(End() if name == "end" else Delete())
    elif name == "truncate":
        ids = [item.item for part in shell.parts for item in part.items]
        shell.truncate((ids * 10)[x] if ids and y % 4 else None)
    else:
        shell.do(Recover(retry=name == "retry"))
        shell.stopping.clear()  # whatever was stopping died with the process


def play_live(shell: CoreShell, op: Op) -> None:
    name, x, y = op
    live = shell.state.live
    if live is None:
        return
    last = live.view.said[-1].item if live.view.said else None
    number = live.view.numbered - (1 if last and y % 2 else 0)
    if name == "text":
        shell.say(text(live.turn, number, "xyz"[: 1 + x % 3]))
    elif name == "think":
        shell.say(text(live.turn, live.view.numbered, "hm", "reasoning"))
    elif name == "item":
        kind = ("tool_call", "tool_result", "note")[x % 3]
        data = {"name": "f", "arguments": x}
        shell.say(TurnItem(live.turn, f"{live.turn}.{live.view.numbered}", kind, data))
    else:
        state = REACHABLE[x % len(REACHABLE)]
        rolled_back = state is not TurnState.COMPLETED and y == 0
        shell.exits(Ending(state, rolled_back=rolled_back), start_next=name == "exit")


@given(OPERATIONS)
@example([("submit", 0, 0), ("queue", 0, 0), ("interrupt", 0, 0), ("interrupt", 0, 0)])
@example([("submit", 0, 0), ("text", 0, 0), ("retry", 0, 0), ("text", 0, 0), ("recover", 0, 0)])
def test_a_restart_has_the_state_that_was_folded(ops: list[Op]) -> None:
    """I9, I15: the head and the rows from `open_from` on are enough, merged or not."""
    shell = CoreShell()
    shell.check()
    for number, op in enumerate(ops):
        play(shell, op, f"t{number}")
        shell.check()


@given(OPERATIONS)
def test_every_accepted_turn_has_at_most_one_ending_and_all_have_one_when_it_is_over(
    ops: list[Op],
) -> None:
    """I2."""
    shell = CoreShell()
    accepted: set[str] = set()
    for number, op in enumerate(ops):
        if op[0] in ("delete", "truncate"):
            continue
        play(shell, op, f"t{number}")
        accepted |= shell.state.head.unsettled
    while shell.state.live is not None or shell.state.queue:
        if shell.state.live is None:
            shell.do(Recover())
        else:
            shell.exits()
    endings = [e.event.turn for e in shell.entries if isinstance(e.event, TurnEnded)]
    assert sorted(endings) == sorted(accepted)


@given(OPERATIONS)
def test_settled_items_are_what_the_turns_events_fold_to(ops: list[Op]) -> None:
    """I15: one fold for the live turn and for history."""
    shell = CoreShell()
    for number, op in enumerate(ops):
        if op[0] != "truncate":
            play(shell, op, f"t{number}")
    for part in shell.parts:
        entries = shell.entries_of(part.owner)
        assert fold_turn(entries) == part.items
        assert (part.first, part.last) == (entries[0].offset, entries[-1].to)
        assert part.ended_at == entries[-1].at
    assert [p.place for p in shell.parts] == sorted({p.place for p in shell.parts})


def test_restoring_passes_over_settled_turns_in_between() -> None:
    shell = running(queue("q1"), queue("q2"))
    shell.do(Cancel(turn="q1"))
    shell.exits()
    shell.check()
    assert shell.state.head.open_from is not None


# Damage (I16): what does not lead to the head never loads, least of all as nothing.


def damaged_shell() -> CoreShell:
    shell = running(queue("q1"))
    shell.say(text("a", 1, "hello"))
    return shell


def lose(nth: int) -> Callable[[list[Entry]], list[Entry]]:
    return lambda entries: [e for n, e in enumerate(entries) if n != nth]


DAMAGE: dict[str, Callable[[list[Entry]], list[Entry]]] = {
    "all rows are gone": lambda entries: [],
    "the live turn's submit is gone": lose(0),
    "its start is gone": lose(1),
    "the queued turn's submit is gone": lose(2),
    "a start comes twice, of another turn": lambda es: [
        *es,
        Entry(99, 99, 0.0, evolve(es[1].event, turn="q1")),
    ],
    "a text is no text": lambda es: [
        *es,
        Entry(99, 99, 0.0, evolve(es[-1].event, item=5)),
    ],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_rows_that_do_not_lead_to_the_head_are_damage(name: str) -> None:
    """I16."""
    shell = damaged_shell()
    head = shell.state.head
    rows = [e for e in shell.entries if e.offset >= (head.open_from or 0)]
    assert plain(restore(head, rows)) == plain(shell.state)
    with pytest.raises(JournalCorrupt):
        restore(head, DAMAGE[name](rows))


def test_a_head_without_unsettled_turns_needs_no_rows() -> None:
    head = Head(epoch=EPOCH, offset=9, settled=3, items=2)
    assert restore(head, ()).head == head
