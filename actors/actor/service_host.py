"""The service of one activation: begun, supervised, stopped; and what it records on its way in."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from ..core.restart_intensity import RestartIntensity
from ..errors import InternalError, Rejected, ServiceOver
from .inbox import CastBox, Inbox
from .kinds import OnExit
from .leases import Holdings
from .mailbox import Letter
from .reply import Awaited
from .service import Service
from .service_runner import ServiceExited, ServiceRunner

if TYPE_CHECKING:
    from ..core.commands import Record
    from ..core.effects import Result
    from .kinds import ThreadKind
    from .surroundings import Surroundings
