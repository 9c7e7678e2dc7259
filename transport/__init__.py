"""The network around `actors`: one port for WebSocket, HTTP and the chat page; and a client.

    from transport import connect, serve

`serve` puts a runtime on a port, `connect` is a client of it.
"""

from actors.errors import ClientClosed, OutcomeUnknown

from .client import DEFAULT_URL, Client, connect
from .connector import ConnectionState, ConnectionStatus
from .link import ConnectFailed, Link, LinkClosed
from .remote_subscription import RemoteSubscription
from .server import DEFAULT_HOST, DEFAULT_PORT, Server, serve
from .wire.replies import (
    CancelReply,
    ForkReply,
    HistoryReply,
    RecordReply,
    SubmitReply,
    ThreadsReply,
    ThreadSummary,
    TruncateReply,
)

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "DEFAULT_URL",
    "CancelReply",
    "Client",
    "ClientClosed",
    "ConnectFailed",
    "ConnectionState",
    "ConnectionStatus",
    "ForkReply",
    "HistoryReply",
    "Link",
    "LinkClosed",
    "OutcomeUnknown",
    "RecordReply",
    "RemoteSubscription",
    "Server",
    "SubmitReply",
    "ThreadSummary",
    "ThreadsReply",
    "TruncateReply",
    "connect",
    "serve",
]
