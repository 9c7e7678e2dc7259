"""Answers from OpenAI, or from any server that speaks its streaming chat completions.

    pip install 'holdfast[openai]'
    OPENAI_API_KEY=… HOLDFAST_MODEL=… holdfast serve --handler actors.handlers.openai:reply

`OPENAI_BASE_URL` names another server, such as one on this machine; one that wants no key still
needs `OPENAI_API_KEY` set to something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .model_service import MODEL, ModelService, model

if TYPE_CHECKING:
    from ..actor.turn import Turn

SERVICE: Final = ModelService(
    "openai", ("OPENAI_API_KEY", MODEL), lambda openai: openai.AsyncOpenAI()
)


async def reply(turn: Turn) -> None:
    """Answer a turn with what the model streams; its reasoning, where it tells it, as such.

    Raises:
        TurnFailed: `not_configured`, where the library or a setting is missing.

    What the library raises ends the turn as failed. A cancellation closes the model's stream, so
    that it stops producing.
    """
    client = await SERVICE.connected()
    stream = await client.chat.completions.create(
        model=model(), messages=turn.messages(), stream=True
    )
    async with stream:
        async for chunk in stream:
            if chunk.choices:
                delta = chunk.choices[0].delta
                # Not OpenAI's own field: several servers that speak its format have it.
                await turn.think(getattr(delta, "reasoning_content", None) or "")
                await turn.write(delta.content or "")
