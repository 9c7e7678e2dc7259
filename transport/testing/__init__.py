"""What tests of sessions and clients need of the network, without one; and what simulates it.

`simulate_wire` runs a scenario through the real server and the real client over a network that is
late, cuts and stalls, and holds what was seen against the invariants; see `actors.testing`, whose
scenarios and schedules it takes. It needs the extra `testing`.
"""

from . import client_contract, link_contract, strategies
from .network import Connection, SimulatedNetwork
from .simulated_link import SimulatedLink
from .wire_limits import WIRE_LIMITS
from .wire_operations import cut, leave, renew, revoke, stall, wire_everything
from .wire_simulation import PRINCIPALS, replay_wire, simulate_wire

__all__ = [
    "PRINCIPALS",
    "WIRE_LIMITS",
    "Connection",
    "SimulatedLink",
    "SimulatedNetwork",
    "client_contract",
    "cut",
    "leave",
    "link_contract",
    "renew",
    "replay_wire",
    "revoke",
    "simulate_wire",
    "stall",
    "strategies",
    "wire_everything",
]
