"""Reads the few fields of a relayed request that the gateway needs, and makes the few edits it requires."""

from functools import partial
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import unsupported_field
from chat2response.engine.duplicate_fields import check_permission_fields
from chat2response.engine.request_reader import bad_json, not_an_object, read_object
from chat2response.quota.call_meter import CallMeter, add_limits
from chat2response.upstreams.base import Target
from chat2response.wire.json import JSONError, decode, encode
from chat2response.wire.json_edit import with_string
from chat2response.wire.json_repair import make_strict
from chat2response.wire.large_documents import run_in_thread_if
from chat2response.wire.request_peek import ChatPeek, ResponsesPeek, peek_chat, peek_responses


def peek_request(body: bytes, target: Target) -> tuple[ChatPeek | ResponsesPeek, bytes]:
    """The fields that decide the plan, and the body to check and edit: the client's own, or its repaired form
    where it is not strict JSON. Raises InvalidRequest.
    """
    peek = peek_chat if target.dialect == "chat" else peek_responses
    try:
        try:
            return peek(body), body
        except JSONError:
            repaired = make_strict(body)
            if repaired == body or _has_repaired_names(decode(repaired)):
                raise
            return peek(repaired), repaired
    except JSONError as error:
        raise bad_json(error, body) from None
    except TypeError:
        raise not_an_object() from None


def _has_repaired_names(value: Any) -> bool:
    """Whether a repaired key may differ from the key that a server reads: some drop lone surrogates."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            if any("\ufffd" in name for name in each):
                return True
            waiting.extend(each.values())
        elif type(each) is list:
            waiting.extend(each)
    return False


async def admit_relayed(
    body: bytes, peek: ChatPeek | ResponsesPeek, target: Target, meter: CallMeter, *, large: bool
) -> tuple[bytes, bool]:
    """Admits the call. Returns the body with its key's limits added, and whether to hide usage from the
    client.
    """
    if not meter.needs_body:
        await meter.admit(body, {"model": peek.model})
        return body, False
    fields = await run_in_thread_if(large, read_object, body)
    await run_in_thread_if(large, check_permission_fields, body)
    await meter.admit(body, fields)
    add = partial(add_limits, cap=meter.output_cap, needs_usage=meter.needs_usage)
    limited_body, hide_usage = await run_in_thread_if(large, add, fields, target.dialect, target.quirks)
    return limited_body or body, hide_usage


def with_usage_option(body: bytes, hub: HubRequest, fields: dict[str, Any], target: Target) -> bytes:
    """A client's own Chat body for an answer that is converted: adds `include_usage` to a stream.

    `fields`: `body`, decoded.

    Raises InvalidRequest for what a converted answer from a Chat upstream cannot have.
    """
    for name in ("background", "conversation", "previous_response_id"):
        if hub.body.get(name):
            raise unsupported_field(
                name, f"'{name}' needs a Responses upstream. This one speaks Chat Completions."
            )
    if (hub.extra.get("n") or 1) != 1:
        raise unsupported_field("n", "'n' must be 1 here: a response has one answer.")
    if hub.body.get("stream") is not True or not target.quirks.usage_in_stream:
        return with_model(body, target)
    options = fields.get("stream_options")
    with_usage = {**(options if type(options) is dict else {}), "include_usage": True}
    return with_model(encode({**fields, "stream_options": with_usage}), target)


def with_model(body: bytes, target: Target) -> bytes:
    """`body` with the upstream's name of the model, if the operator configured one.

    Raises InvalidRequest.
    """
    try:
        return body if target.model is None else with_string(body, "model", target.model)
    except JSONError as error:
        raise bad_json(error, body) from None
