"""Settings of all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long a case takes says something of the machine, and nothing of the code.
settings.register_profile("holdfast", deadline=None, print_blob=True)
settings.load_profile("holdfast")

# A shell ignores Ctrl-C for what it starts in the background, and tests of Ctrl-C never end then.
signal.signal(signal.SIGINT, signal.default_int_handler)
