"""Answers from Anthropic's models.

pip install 'holdfast[anthropic]'
ANTHROPIC_API_KEY=… HOLDFAST_MODEL=… holdfast serve --handler actors.handlers.anthropic:reply
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .model_service import MODEL, ModelService, model

if TYPE_CHECKING:
    from ..actor.turn import Turn

SERVICE: Final = ModelService(
    "anthropic", ("ANTHROPIC_API_KEY", MODEL), lambda anthropic: anthropic.AsyncAnthropic()
)
# Tokens of one answer: the interface wants a bound, and every model it serves allows this one.
MOST_TOKENS: Final = 4096


async def reply(turn: Turn) -> None:
    """Answer a turn with what the model streams.

    Raises:
        TurnFailed: `not_configured`, where the library or a setting is missing.

    What the library raises ends the turn as failed. A cancellation closes the model's stream, so
    that it stops producing.
    """
    client = await SERVICE.connected()
    request = {"model": model(), "messages": conversation(turn), "max_tokens": MOST_TOKENS}
    async with client.messages.stream(**request) as stream:
        async for text in stream.text_stream:
            await turn.write(text)


def conversation(turn: Turn) -> list[dict[str, Any]]:
    """Return the turn's messages without tool calls, whose shape here is another one."""
    said = (m for m in turn.messages() if m["role"] in ("user", "assistant"))
    return [{"role": m["role"], "content": m["content"]} for m in said if m["content"]]
