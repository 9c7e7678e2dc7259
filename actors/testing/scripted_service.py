"""A service that does what is cast to it: record, fail, return, or not heed its cancellation."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

if TYPE_CHECKING:
    from ..actor.leases import Lease
    from ..actor.service import Service
    from ..actor.service_runner import ServiceFunction
    from .world import World

# Makes the service under test; called anew in every life of the process.
MakeService: TypeAlias = "Callable[[World], ServiceFunction]"


class Wish(enum.StrEnum):
    """What a cast asks a scripted service to do."""

    RECORD = "record"  # the number behind it
    FAIL = "fail"  # raise; with a number behind it, as the end of a program does
    RETURN = "return"
    DEAF = "deaf"  # do not stop when it is to, for longer than anybody waits


def scripted_service(world: World) -> ServiceFunction:
    """Return a service that holds a lease and does what is cast to it."""
    return _holding(world, world.lender.lease)


def brief_service(world: World) -> ServiceFunction:
    """Return one whose lease runs out where it is not renewed; see `Lender.brief`."""
    return _holding(world, world.lender.brief)


def _holding(world: World, lease: Lease[str]) -> ServiceFunction:
    async def service(service: Service) -> None:
        async with service.hold(lease) as lent:
            deaf = False
            try:
                async for cast in service.inbox:
                    await world.pause(f"service of {service.thread}")
                    wish, _, number = cast.data.partition(" ")
                    match Wish(wish):
                        case Wish.RECORD:
                            await service.record("noted", int(number or 1))
                        case Wish.FAIL:
                            raise (SystemExit if number else RuntimeError)("as the cast says")
                        case Wish.RETURN:
                            return
                        case Wish.DEAF:
                            deaf = True
            except trio.Cancelled:
                if deaf and not world.lender.ran_out(lent):
                    with trio.CancelScope(shield=True):  # beyond anybody's patience
                        await trio.sleep(64 * world.limits.lease_release_seconds)
                raise

    return service
