"""The bounds of a simulated run over the network."""

from __future__ import annotations

from typing import Final

import attrs

from actors.testing.schedule import TICK
from actors.testing.world import SIMULATION_LIMITS

# Small enough that a few steps reach every bound and every timer.
WIRE_LIMITS: Final = attrs.evolve(
    SIMULATION_LIMITS,
    handshake_seconds=128 * TICK,
    # Longer than all that waits for the disk, so that who waits for a reader stands out.
    heartbeat_seconds=768 * TICK,
    slow_seconds=512 * TICK,
    # Longer than it takes to come back, shorter than it takes to come to rest.
    presence_seconds=16 * TICK,
    # Over by then as well, with all that it holds back.
    presence_window_seconds=8 * TICK,
    presence_changes=1,
    reconnect_first_seconds=TICK,
    reconnect_most_seconds=8 * TICK,
    reconnect_health_seconds=64 * TICK,
    # As many as there are clients: who comes back too soon is refused.
    subscribers=3,
    event_retry_seconds=8 * TICK,
    # A snapshot, or a few batches: who naps is left behind, and comes back.
    client_buffer_chars=800,
    reply_bytes=600,
    unanswered_commands=4,
)
