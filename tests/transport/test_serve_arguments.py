"""What no server can be made with is refused before anything listens."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport import serve


async def reply(turn: Turn) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("authenticate", 5, "authenticate takes a function, not 5"),
        ("authorise", None, "authorise takes a function, not None"),
        # Each letter would be a name, and the page that was meant none of them.
        ("origins", "https://a.example", "origins takes several texts, not 'https://a.example'"),
        ("hosts", "a.example", "hosts takes several texts"),
        ("hosts", [b"a.example"], "hosts takes several texts"),
        ("operators", 5, "operators takes several texts, not 5"),
    ],
)
async def test_it_is_refused_by_name(name: str, value: Any, words: str) -> None:
    async with open_runtime(MemoryJournal(), on_turn=reply) as runtime:
        with pytest.raises(TypeError, match=words):
            await serve(runtime, port=0, **{name: value})


async def test_a_runtime_that_is_none() -> None:
    nothing: Any = "chat.db"
    with pytest.raises(TypeError, match="runtime takes Runtime, not 'chat"):
        await serve(nothing, port=0)
