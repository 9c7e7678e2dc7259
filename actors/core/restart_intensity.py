"""Restart intensity and period, as OTP's `supervisor` counts them."""

from __future__ import annotations

from attrs import frozen


@frozen
class RestartIntensity:
    """How often an actor may restart.

    Args:
        intensity: restarts allowed within the period.
        period: seconds.
        restarts: when the ones within the period happened, oldest first; never more than
            `intensity` + 1.
    """

    intensity: int
    period: float
    restarts: tuple[float, ...] = ()

    def after_restart(self, now: float) -> RestartIntensity:
        """Return the count with one more restart; those older than the period are forgotten."""
        recent = tuple(at for at in self.restarts if now - at <= self.period)
        kept = (*recent, now)[-(self.intensity + 1) :]
        return RestartIntensity(self.intensity, self.period, kept)

    def is_recent(self, now: float) -> bool:
        """Say whether the newest restart lies within the period."""
        return bool(self.restarts) and now - self.restarts[-1] <= self.period

    @property
    def exceeded(self) -> bool:
        """Whether there were more restarts within the period than the intensity allows."""
        return len(self.restarts) > self.intensity
