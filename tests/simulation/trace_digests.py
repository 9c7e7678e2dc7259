"""Reads cases, a line each, and prints a digest of each one's trace: run by `test_determinism`."""

from __future__ import annotations

import hashlib
import sys

from actors.testing import read_case
from tests.simulation.campaign import race

for line in sys.stdin:
    run = race(*read_case(line))
    print(hashlib.sha256(run.trace).hexdigest())
