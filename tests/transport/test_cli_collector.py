"""What `holdfast serve` asks of the garbage collector, for as long as it runs."""

from __future__ import annotations

import gc

from transport.cli.collector import patient_collector


def test_the_collector_is_patient_while_the_server_runs() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    with patient_collector():
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == thresholds
    # Some interpreters freeze a few objects of their own as they start, which goes with the rest.
    assert gc.get_freeze_count() <= frozen
