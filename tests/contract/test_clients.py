"""The client passes the contract that any client has to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from transport import Client, connect
from transport.testing.client_contract import CHECKS, Check, name_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from actors.limits import Limits
    from transport.connection import OpenLink


def connect_client(open_link: OpenLink, limits: Limits) -> AbstractAsyncContextManager[Client]:
    return connect(open_link=open_link, limits=limits, rng=random.Random(7))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_client(check: Check) -> None:
    trio.run(check, connect_client, clock=trio.testing.MockClock(autojump_threshold=0))
