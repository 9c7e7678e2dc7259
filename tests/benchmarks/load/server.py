"""Holdfast as `holdfast serve` runs it, and a turn that tells what the process has counted."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import tracemalloc
from functools import partial
from typing import Any

import trio
from trio._core._run import GLOBAL_RUN_CONTEXT

from actors import Journal, Runtime, Subscription, Turn, open_runtime
from actors.journal.sqlite import open_sqlite_journal
from transport import serve
from transport.cli.collector import patient_collector
from transport.cli.switching import prompt_switching

from . import handlers


class Census:
    """Knows the runtime and the journal of this process."""

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.runtime: Runtime | None = None

    async def tell(self, turn: Turn) -> None:
        """Answer with the counts so far, as JSON."""
        assert self.journal is not None
        assert self.runtime is not None
        _drop_timers()
        gc.collect()
        counted = self.journal.statistics()
        told: dict[str, Any] = {
            name: getattr(counted, name) for name in ("commits", "appends", "rows")
        }
        told["active"] = self.runtime.statistics().active
        told["behind"] = _behind(self.runtime)
        told["objects"] = len(gc.get_objects())
        told["bytes"] = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
        await turn.write(json.dumps(told))


def _behind(runtime: Runtime) -> int:
    """Return how many viewers have not been sent all that there is."""
    tails = [entry.tail for entry in runtime.registry._entries.values()]
    watching = [(tail, watcher) for tail in tails for watcher in tail._watchers]
    return sum(isinstance(w, Subscription) and w.position != t.position for t, w in watching)


def _drop_timers() -> None:
    """Have trio drop its timers that were cancelled, which it does when there are a thousand."""
    GLOBAL_RUN_CONTEXT.runner.deadlines._prune()


async def main(options: argparse.Namespace) -> None:
    """Serve until killed, and say where."""
    census = Census()
    handlers.deeds["census"] = census.tell

    async def opened() -> Journal:
        census.journal = await open_sqlite_journal(options.db, durability=options.durability)
        return census.journal

    async with open_runtime(opened, kind_of=handlers.kind_of) as runtime:
        census.runtime = runtime
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, runtime, port=0))
            print(server.url, flush=True)
            with trio.open_signal_receiver(15) as signals:
                async for _ in signals:
                    break
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    logging.basicConfig(level="ERROR", stream=sys.stderr)
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", default="bench.db")
    parser.add_argument("--durability", default="full")
    parser.add_argument("--trace", action="store_true", help="count the bytes that Python holds")
    told = parser.parse_args()
    if told.trace:
        tracemalloc.start()
    with patient_collector(), prompt_switching():
        trio.run(main, told)
