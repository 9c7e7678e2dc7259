"""A side: one end of a connection."""

from __future__ import annotations

import enum


class Side(enum.StrEnum):
    """One end of a connection."""

    CLIENT = "client"
    SERVER = "server"
