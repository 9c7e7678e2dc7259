"""Both journals against the contract suite that is shipped for anybody's backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

import pytest

from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.ports import Executor, Inline, WorkerThread
from actors.testing import journal_contract

if TYPE_CHECKING:
    from pathlib import Path

    from actors.journal.contract import Journal

pytestmark = pytest.mark.parametrize("check", journal_contract.CHECKS, ids=journal_contract.name_of)


async def test_memory(check: journal_contract.Check) -> None:
    journal = MemoryJournal(first_epoch=7)

    async def open_journal() -> Journal:
        journal.reopen()
        return journal

    await check(open_journal)


@pytest.mark.parametrize(("executor", "durability"), [(Inline, "relaxed"), (WorkerThread, "full")])
async def test_sqlite(
    check: journal_contract.Check,
    executor: Callable[[], Executor],
    durability: Literal["full", "relaxed"],
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"

    def open_journal() -> Awaitable[Journal]:
        return open_sqlite_journal(path, durability=durability, executor=executor())

    await check(open_journal)
    if check.__name__ != "bodies_are_bytes":
        assert list(verify(path)) == []
