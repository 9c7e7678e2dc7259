"""Reads cases, a line each, and prints a digest of each one's trace: run by `test_determinism`.

python -m tests.simulation.trace_digests [wire]
"""

from __future__ import annotations

import hashlib
import sys

from actors.testing import read_case
from tests.simulation import campaign, wire

race = wire.race if "wire" in sys.argv[1:] else campaign.race
for line in sys.stdin:
    run = race(*read_case(line))
    print(hashlib.sha256(run.trace).hexdigest())
