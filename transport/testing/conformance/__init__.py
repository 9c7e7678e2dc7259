"""Conformance from outside: any server in any language, held against the rules one by one.

`holdfast conform ws://…` runs it. In a test of one's own:

    report = await check_server(WebSocketCarrier("ws://127.0.0.1:8420/ws"), CHECKS, run="ci")
    assert report.passed, report.failures

The server under test answers messages as `handler` does, in threads of the kind `KIND`;
docs/how-to/conformance.md has it in words.
"""

from .channel import Carrier, Channel, ChannelClosed, Unreachable
from .check import Check, Need
from .checks import CHECKS
from .handler import KIND, handler
from .report import Outcome, Report, Result
from .rules import RULES
from .run import check_server
from .websocket import WebSocketCarrier

__all__ = [
    "CHECKS",
    "KIND",
    "RULES",
    "Carrier",
    "Channel",
    "ChannelClosed",
    "Check",
    "Need",
    "Outcome",
    "Report",
    "Result",
    "Unreachable",
    "WebSocketCarrier",
    "check_server",
    "handler",
]
