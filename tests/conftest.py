"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# How long a case takes says something of the machine, and nothing of the code.
settings.register_profile("holdfast", deadline=None, print_blob=True)
settings.load_profile("holdfast")
