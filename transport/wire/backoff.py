"""How long a client waits before it reconnects: full jitter, so that a crowd comes back spread."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors.limits import DEFAULT_LIMITS, Limits


@define
class Backoff:
    """The waits between one client's connections.

    A wait is drawn from nought to a figure that begins at `reconnect_first_seconds` and doubles
    with each failure up to `reconnect_most_seconds`; `reconnect_health_seconds` of health begin it
    anew. The server's `goaway` overrides the next wait.

    Args:
        random: returns a number in [0, 1).
        limits: holds those figures.
    """

    random: Callable[[], float]
    limits: Limits = DEFAULT_LIMITS
    _failures: int = field(default=0, init=False)
    _connected_at: float | None = field(default=None, init=False)
    _goaway_seconds: float | None = field(default=None, init=False)

    def connected(self, now: float) -> None:
        """Note that a connection is up (welcomed) at `now`, seconds on any one rising clock."""
        self._connected_at = now

    def goaway(self, retry_after_seconds: float) -> None:
        """Note that the server asked to stay away so long after this connection."""
        most = self.limits.goaway_most_seconds
        self._goaway_seconds = min(max(retry_after_seconds, 0.0), most)

    def next_wait(self, now: float) -> float:
        """Return the seconds to wait, for a connection that was lost, or refused, at `now`."""
        if self._was_healthy(now):
            self._failures = 0
        self._connected_at = None
        if self._goaway_seconds is not None:
            return self._after_goaway(self._goaway_seconds)
        return self._after_failure()

    def _was_healthy(self, now: float) -> bool:
        since = self._connected_at
        return since is not None and now - since >= self.limits.reconnect_health_seconds

    def _after_goaway(self, seconds: float) -> float:
        # Not the client's failure, nor the server's: what follows counts from the beginning.
        self._goaway_seconds, self._failures = None, 0
        return seconds * (1 + self.random()) / 2

    def _after_failure(self) -> float:
        most, first = self.limits.reconnect_most_seconds, self.limits.reconnect_first_seconds
        longest = min(first * 2.0**self._failures, most)
        if 0 < longest < most:
            self._failures += 1
        return longest * self.random()
