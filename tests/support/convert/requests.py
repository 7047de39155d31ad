"""Converts requests through the hub in one call, and checks results with the official SDK's types."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.errors import InvalidRequest

Json = dict[str, Any]

USER: Json = {"role": "user", "content": "hi"}


def to_responses(body: Json) -> tuple[Json, list[str]]:
    """Converts a Chat body to Responses. Returns the losses as `field; effect`."""
    losses = Losses()
    written: Any = responses.write_request(chat.read_request(body), losses)
    return written, [f"{loss.field}; {loss.effect}" for loss in losses]


def to_chat(
    body: Json, quirks: Quirks = OPENAI_COMPATIBLE, policy: Policy = DEFAULT_POLICY
) -> tuple[Json, list[str]]:
    """Converts a Responses body to Chat. Returns the losses as `field; effect`."""
    losses = Losses()
    written: Any = chat.write_request(responses.read_request(body), losses, quirks, policy=policy)
    return written, [f"{loss.field}; {loss.effect}" for loss in losses]


def chat_body(**fields: Any) -> Json:
    """A minimal Chat body with these fields."""
    return {"model": "m", "messages": [USER], **fields}


def resp_body(**fields: Any) -> Json:
    """A minimal Responses body with these fields."""
    return {"model": "m", "input": "hi", **fields}


def items_of(*messages: Json) -> tuple[list[Json], list[str]]:
    """The input for these Chat messages, and the losses."""
    body, losses = to_responses(chat_body(messages=list(messages)))
    assert_official_responses(body)
    return body["input"], losses


def messages_of(
    *items: Json, quirks: Quirks = OPENAI_COMPATIBLE, policy: Policy = DEFAULT_POLICY, **fields: Any
) -> tuple[list[Json], list[str]]:
    """The messages for these items, and the losses."""
    body, losses = to_chat(resp_body(input=list(items), **fields), quirks, policy)
    assert_official_chat(body)
    return body["messages"], losses


def assert_official_chat(body: Json) -> None:
    """Asserts that the SDK's types accept the body and know each key, except reasoning and stream fields."""
    plain = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    plain["messages"] = [
        {key: value for key, value in message.items() if key not in ("reasoning_content", "reasoning")}
        for message in body["messages"]
    ]
    assert _plain(_chat().validate_python(plain)) == plain


def assert_official_responses(body: Json) -> None:
    """Asserts the same of a Responses body. The types, unlike the API, require ids of assistant messages."""
    plain = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    plain["input"] = [
        {**item, "id": "msg_1", "status": "completed"} if item.get("role") == "assistant" else item
        for item in body["input"]
    ]
    assert _plain(_responses().validate_python(plain)) == plain


def refused(convert: Any, body: Json, param: str | None) -> InvalidRequest:
    """Asserts that `convert` raises a 400 that names `param`; returns it."""
    with pytest.raises(InvalidRequest) as caught:
        convert(body)
    assert caught.value.status == 400
    assert caught.value.param == param
    return caught.value


@cache
def _chat() -> TypeAdapter[Any]:
    return TypeAdapter(CompletionCreateParamsNonStreaming)


@cache
def _responses() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseCreateParamsNonStreaming)


def _plain(value: Any) -> Any:
    """The validated value with its lazy arrays read, because pydantic validates their items only then."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
