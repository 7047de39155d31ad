"""The official SDK as a judge: its own accumulators over our streams."""

from typing import Any

from openai._models import construct_type
from openai._types import omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent


def added_up(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the SDK makes of a Chat stream (one that did not fail)."""
    state = ChatCompletionStreamState[None]()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    completion: dict[str, Any] = state.current_completion_snapshot.to_dict(mode="json")
    for choice in completion["choices"]:
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    return completion


def followed(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The response that the SDK's stream helper ends with; None where there is none for it to end with.

    It raises where items, parts or ids do not fit together.
    """
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type]
    ended = state._completed_response
    return None if ended is None else ended.to_dict(mode="json")
