"""I4: what was acknowledged outlives a loss of power; `kill -9` could not tell."""

from __future__ import annotations

import sqlite3
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import pytest

from actors.testing.power_loss import DiskLog, NotRecordable, record_disk
from actors.testing.power_loss.disk_log import Delete, Sync, Truncate, Write
from tests.journal.power_loss import hunt, states

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _recordable(tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        with record_disk(tmp_path_factory.mktemp("probe")):
            pass
    except NotRecordable as exc:
        pytest.skip(str(exc))


def test_nothing_that_was_acknowledged_is_lost() -> None:
    """W4: at every write of the journal, with what was not synced lost, kept or torn."""
    tally = hunt(seed=0, most=160)
    assert (tally.broken, tally.states) == ([], 160)


def test_relaxed_loses_the_last_commits_and_nothing_worse() -> None:
    broken = [each for wrong in islice(states(1, "relaxed"), 80) for each in wrong]
    assert {each.invariant for each in broken} == {"I4"}


def test_what_sqlite_did_is_recorded_in_order(tmp_path: Path) -> None:
    with record_disk(tmp_path) as log:
        db = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t (x)")
        before = log.now
        db.execute("INSERT INTO t VALUES (1)")
        inserted = log.operations[before:]
        db.close()
    assert {type(each) for each in inserted[:-1]} == {Write}
    assert inserted[-1] == Sync("some.db-wal")
    whole = log.after_power_loss(log.now, Random(0))
    assert whole["some.db"] == (tmp_path / "some.db").read_bytes()


def test_what_was_not_synced_may_be_lost_kept_or_torn() -> None:
    log = DiskLog({"f": b"-" * 1024}, [Write("f", 0, b"a" * 1024)])
    left = {log.after_power_loss(1, Random(seed))["f"] for seed in range(60)}
    assert left == {
        b"-" * 1024,
        b"a" * 1024,
        b"a" * 512 + b"-" * 512,
        b"-" * 512 + b"a" * 512,
    }


def test_what_was_synced_stays() -> None:
    operations = [Write("f", 2, b"xy"), Truncate("f", 3), Sync("f"), Delete("g", synced=True)]
    log = DiskLog({"f": b"", "g": b"gone"}, operations)
    assert all(log.after_power_loss(4, Random(s)) == {"f": b"\0\0x"} for s in range(9))
    assert log.after_power_loss(0, Random(0)) == {"f": b"", "g": b"gone"}
