"""The network around `actors`: one port for WebSocket, HTTP and the chat page; and a client.

    from transport import connect, serve

`serve` puts a runtime on a port, `connect` is a client of it.
"""

from actors.errors import ClientClosed, OutcomeUnknown

from .auth import Authenticate, Authorise, Identity
from .client import Client
from .connecting import DEFAULT_URL, connect
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
    "Authenticate",
    "Authorise",
    "CancelReply",
    "Client",
    "ClientClosed",
    "ConnectFailed",
    "ConnectionState",
    "ConnectionStatus",
    "ForkReply",
    "HistoryReply",
    "Identity",
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
