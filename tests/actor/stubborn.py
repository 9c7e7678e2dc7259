"""A handler that will not stop."""

from __future__ import annotations

import trio
import trio.testing

from actors import Turn, TurnOver


class Stubborn:
    """A handler that swallows its cancellation, and tries its handle afterwards."""

    def __init__(self, stays: float) -> None:
        self.stays = stays
        self.refused: list[str] = []
        self.released = trio.Event()

    async def __call__(self, turn: Turn) -> None:
        if turn.text != "stay":
            await turn.write("fine")
            return
        await turn.write("begun")
        with trio.CancelScope(shield=True):
            with trio.move_on_after(self.stays):
                await self.released.wait()
            await self.try_everything(turn)

    async def try_everything(self, turn: Turn) -> None:
        calls = {
            "write": lambda: turn.write("late"),
            "write nothing": lambda: turn.write(""),
            "think": lambda: turn.think("late"),
            "item": lambda: turn.item("note", 1),
            "tool_call": lambda: turn.tool_call("f", {}),
            "tool_result": lambda: turn.tool_result("x", 1),
            "flush": turn.flush,
        }
        for name, call in calls.items():
            try:
                await call()
            except TurnOver:
                self.refused.append(name)


EVERY_CALL = ["write", "write nothing", "think", "item", "tool_call", "tool_result", "flush"]
