"""Reads a Responses request into the hub, and writes the hub's request for a Responses upstream."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from chat2response.convert.dialects.responses.history.conversation import write_items
from chat2response.convert.dialects.responses.request.text_input import input_as_text
from chat2response.convert.dialects.responses.tools.tool_definitions import write_tools
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.validation import (
    invalid_value,
    require_array,
    require_body,
    require_boolean,
    require_conversation,
    require_integer,
    require_number,
    require_object,
    require_objects,
    require_string,
    unsupported_field,
    wrong_type,
)
from chat2response.wire.responses import ResponsesRequest

MIN_OUTPUT_TOKENS = 16  # the API's minimum of `max_output_tokens`


def read_request(body: Mapping[str, Any]) -> HubRequest:
    """The hub's request for a Responses body, which stays unchanged.

    Checks the types of the fields that the gateway reads, and raises InvalidRequest. The insides of items,
    tools and formats are checked when they are written.
    """
    for name, value in require_body(body).items():
        if value is not None:
            check = _CHECKS.get(name)
            if check is not None:
                check(value, name)
    return HubRequest(cast(ResponsesRequest, body), "responses")


def write_request(
    hub: HubRequest, losses: Losses, *, text_input: bool = False, policy: Policy = DEFAULT_POLICY
) -> ResponsesRequest:
    """The body for a Responses upstream; `input` is the last key, so that a longer history extends the bytes.

    `text_input`: the upstream accepts `input` only as one text. What the API cannot express is a loss, or
    raises InvalidRequest where dropping it would change the meaning of the answer.
    """
    out: dict[str, Any] = dict(hub.body)
    if hub.dialect == "responses":
        for name, value in hub.extra.items():
            out.setdefault(name, value)
        return cast(ResponsesRequest, out)
    del out["input"]
    _raise_limit(out, hub, losses)
    write_tools(out, losses)
    for name, value in hub.extra.items():
        leave = _LEAVE.get(name)
        if leave is None:
            out.setdefault(name, value)
        else:
            leave(value, name, losses)
    items = write_items(hub, losses, policy)
    if not items:
        raise invalid_value(hub.field("input"), "The request contains no message to send. Add at least one.")
    out["input"] = input_as_text(items, hub, losses) if text_input else items
    return cast(ResponsesRequest, out)


def _raise_limit(out: dict[str, Any], hub: HubRequest, losses: Losses) -> None:
    limit = out.get("max_output_tokens")
    if limit is None or limit >= MIN_OUTPUT_TOKENS:
        return
    name = hub.field("max_output_tokens")
    if limit < 1:
        raise invalid_value(name, f"Invalid '{name}': expected a value >= 1, but got {limit}.")
    out["max_output_tokens"] = MIN_OUTPUT_TOKENS
    losses.add(name, f"raised to {MIN_OUTPUT_TOKENS}")


def _refuse(value: Any, name: str, losses: Losses) -> None:
    raise unsupported_field(name, f"'{name}' cannot be sent to a Responses upstream.")


def _refuse_if_any(value: Any, name: str, losses: Losses) -> None:
    if value not in ([], {}):
        _refuse(value, name, losses)


def _choices(value: Any, name: str, losses: Losses) -> None:
    if require_integer(value, name) != 1:
        _refuse(value, name, losses)


def _modalities(value: Any, name: str, losses: Losses) -> None:
    if any(each != "text" for each in require_array(value, name)):
        _refuse(value, name, losses)


def _lose(value: Any, name: str, losses: Losses) -> None:
    losses.add(name)


def _lose_penalty(value: Any, name: str, losses: Losses) -> None:
    if require_number(value, name):
        losses.add(name)


def _stream_options(value: Any, name: str, losses: Losses) -> None:
    """Drops `include_usage`, which the gateway handles: a Responses stream always ends with its usage."""
    for key in value:
        if key != "include_usage":
            losses.add(f"{name}.{key}")


_LEAVE: dict[str, Callable[[Any, str, Losses], None]] = {
    "audio": _refuse,
    "frequency_penalty": _lose_penalty,
    "logit_bias": _refuse_if_any,
    "max_output_tokens": _lose,
    "max_tokens": _lose,
    "modalities": _modalities,
    "n": _choices,
    "prediction": _lose,
    "presence_penalty": _lose_penalty,
    "seed": _lose,
    "stop": _refuse_if_any,
    "stream_options": _stream_options,
}


def _input(value: Any, name: str) -> None:
    if type(value) is list:
        require_objects(value, name)
    elif type(value) is not str:
        raise wrong_type(name, "a string or an array", value)


def _choice(value: Any, name: str) -> None:
    if type(value) is not str:
        require_string(require_object(value, name).get("type"), f"{name}.type")


def _strings(value: Any, name: str) -> None:
    for index, each in enumerate(require_array(value, name)):
        require_string(each, f"{name}[{index}]")


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "background": require_boolean,
    "conversation": require_conversation,
    "include": _strings,
    "input": _input,
    "instructions": require_string,
    "max_output_tokens": require_integer,
    "metadata": require_object,
    "model": require_string,
    "parallel_tool_calls": require_boolean,
    "previous_response_id": require_string,
    "prompt_cache_options": require_object,
    "reasoning": require_object,
    "store": require_boolean,
    "stream": require_boolean,
    "stream_options": require_object,
    "text": require_object,
    "tool_choice": _choice,
    "tools": require_objects,
    "top_logprobs": require_integer,
}
