"""A service that does what is cast to it: record, fail, return, or not heed its cancellation."""

from __future__ import annotations

import enum
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import trio

from .facts import ServiceEntered, ServiceExited

if TYPE_CHECKING:
    from ..actor.service import Service
    from ..actor.service_runner import ServiceFunction
    from .process import Process
    from .world import World

# Makes the service under test; called anew in every life of the process.
MakeService: TypeAlias = "Callable[[World], ServiceFunction]"


class Wish(enum.StrEnum):
    """What a cast asks a scripted service to do."""

    RECORD = "record"
    FAIL = "fail"  # raise
    RETURN = "return"
    DEAF = "deaf"  # not heed a cancellation until long after its grace


def scripted_service(world: World) -> ServiceFunction:
    """Return a service that holds a lease and does what is cast to it."""
    lease = world.lender.lease

    async def service(service: Service) -> None:
        async with service.hold(lease):
            async for cast in service.inbox:
                await world.pause(f"service of {service.thread}")
                match Wish(cast.data):
                    case Wish.RECORD:
                        await service.record("noted", cast.data)
                    case Wish.FAIL:
                        raise RuntimeError("as the cast says")
                    case Wish.RETURN:
                        return
                    case Wish.DEAF:
                        limits = world.limits
                        grace = limits.cancel_grace_seconds + limits.lease_release_seconds
                        with trio.CancelScope(shield=True):
                            await trio.sleep(2 * grace)

    return service


def watched_service(service: ServiceFunction, process: Process) -> ServiceFunction:
    """Return the service, noting when it runs and how it ends."""
    runs = count(1)

    async def watched(handle: Service) -> None:
        run = next(runs)
        process.note(ServiceEntered(handle.thread, run))
        error: str | None = None
        try:
            await service(handle)
        except BaseException as exc:
            error = type(exc).__name__
            raise
        finally:
            process.note(ServiceExited(handle.thread, run, error))

    return watched
