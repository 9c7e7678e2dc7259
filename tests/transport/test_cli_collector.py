"""What `holdfast serve` asks of the garbage collector, for as long as it runs."""

from __future__ import annotations

import gc

from transport.cli.collector import patient_collector


def test_the_collector_is_patient_while_the_server_runs() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with patient_collector():
        assert gc.get_threshold()[0] > before[0][0]
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
