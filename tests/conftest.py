"""Settings of all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long a case takes says something of the machine, and nothing of the code.
settings.register_profile("anew", deadline=None, print_blob=True)
# Drawn the same each time: a red run is about what changed. docs/adr/0027 says what draws anew.
settings.register_profile("holdfast", settings.get_profile("anew"), derandomize=True)
settings.load_profile("holdfast")

# A shell ignores Ctrl-C for what it starts in the background, and tests of Ctrl-C never end then.
signal.signal(signal.SIGINT, signal.default_int_handler)
