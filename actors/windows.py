"""Windows of what is cast: so many casts handed over as one, and a failed one dropped."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from .core.windowing import Collector
from .errors import ServiceOver

log = logging.getLogger("holdfast")

T = TypeVar("T")


class Windows(Generic[T]):
    """Hands over what comes in windows of `size`, in order, each thing in one of them.

    `async for window in windows` goes on for as long as things come; what is left over then makes
    no window.

    Args:
        source: what things come from, such as `service.inbox`.
        size: things in a window, at least 1.

    Attributes:
        dropped: how many windows `dropping` has dropped.

    Raises:
        ValueError: for a smaller size.
    """

    def __init__(self, source: AsyncIterable[T], size: int) -> None:
        self.dropped = 0
        self._source = aiter(source)
        self._collector = Collector[T](size)

    def __aiter__(self) -> AsyncIterator[tuple[T, ...]]:
        return self

    async def __anext__(self) -> tuple[T, ...]:
        """Wait for the next full window.

        Raises:
            StopAsyncIteration: nothing more comes.

        Cancellation keeps what was collected for the next call.
        """
        while True:
            window = self._collector.add(await anext(self._source))
            if window is not None:
                return window

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Run the body for one window; where it fails, drop that window and nothing else.

        What it raises is counted, and logged: a line at the level of a warning, the traceback at
        that of debugging. A cancellation goes through, and so does the end of the service.
        """
        try:
            yield
        except ServiceOver:
            raise
        except Exception as exc:  # whatever it is, it costs this one window
            self.dropped += 1
            log.warning("a window was dropped: %s: %s", type(exc).__name__, exc)
            log.debug("a window was dropped, and this is why", exc_info=exc)
