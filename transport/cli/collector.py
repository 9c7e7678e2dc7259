"""The cyclic garbage collector, set for a program that is a server and nothing else.

A server makes few cycles and many small values that live for a while: by the interpreter's own
figures a tenth of its processor time goes into looking at them, and each full look, over all that
was imported as well, holds the loop for 60 ms.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Objects made, less those that are gone again, before the youngest are looked at.
_YOUNG: Final = 10_000
# Looks at the younger ones before the next older ones are looked at too.
_OLDER: Final = 20


@contextmanager
def patient_collector() -> Iterator[None]:
    """Have the collector leave alone what is there already, and look less often at the rest."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
