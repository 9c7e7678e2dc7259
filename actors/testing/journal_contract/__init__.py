"""What every journal has to do, as checks that run against anybody's backend.

A backend of your own is tested with a few lines::

    @pytest.mark.parametrize("check", journal_contract.CHECKS, ids=journal_contract.name_of)
    async def test_my_journal(check, tmp_path):
        await check(lambda: open_my_journal(tmp_path / "journal"))

Each check takes a function that opens one store, which is empty the first time and as it was left
every other time; it raises `AssertionError` where the journal is wrong.
"""

from __future__ import annotations

from typing import Final

from ..naming import name_of
from . import appending, compacting, forking, history, lifetime, reading, recording, truncating
from .kit import Check, Opener

__all__ = ["CHECKS", "Check", "Opener", "name_of"]

CHECKS: Final[tuple[Check, ...]] = (
    *appending.CHECKS,
    *lifetime.CHECKS,
    *reading.CHECKS,
    *history.CHECKS,
    *truncating.CHECKS,
    *recording.CHECKS,
    *forking.CHECKS,
    *compacting.CHECKS,
)
