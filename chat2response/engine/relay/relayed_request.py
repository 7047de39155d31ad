"""A request that goes up as its client wrote it: what of it is read, and the few edits that it gets."""

from functools import partial
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import unsupported_field
from chat2response.engine.duplicate_keys import check_ask
from chat2response.engine.request_reader import bad_json, not_an_object, read_object
from chat2response.quota.call_meter import Spending, limited
from chat2response.upstreams.base import Target
from chat2response.wire.json import JSONError, decode, encode
from chat2response.wire.json_edit import with_string
from chat2response.wire.json_repair import make_strict
from chat2response.wire.large_documents import run_in_thread_if
from chat2response.wire.request_peek import ChatPeek, ResponsesPeek, peek_chat, peek_responses


def peek_request(body: bytes, target: Target) -> tuple[ChatPeek | ResponsesPeek, bytes]:
    """The few members that decide its way, and the body that is checked and edited: this one, or the same in
    strict JSON where only lenient readers take it. Raises InvalidRequest."""
    read = peek_chat if target.dialect == "chat" else peek_responses
    try:
        try:
            return read(body), body
        except JSONError:
            plain = make_strict(body)
            if plain == body or _names_are_mended(decode(plain)):
                raise
            return read(plain), plain
    except JSONError as error:
        raise bad_json(error, body) from None
    except TypeError:
        raise not_an_object() from None


def _names_are_mended(value: Any) -> bool:
    """Whether a key may not be what it is checked as: some servers leave half characters out."""
    rest = [value]
    while rest:
        each = rest.pop()
        if type(each) is dict:
            if any("\ufffd" in name for name in each):
                return True
            rest.extend(each.values())
        elif type(each) is list:
            rest.extend(each)
    return False


async def admit_relayed(
    body: bytes, peek: ChatPeek | ResponsesPeek, target: Target, spending: Spending, *, large: bool
) -> tuple[bytes, bool]:
    """Lets the call in: its body, with what its key's limits add; whether usage stays hidden."""
    if not spending.reads_body:
        await spending.admit(body, {"model": peek.model})
        return body, False
    fields = await run_in_thread_if(large, read_object, body)
    await run_in_thread_if(large, check_ask, body)
    await spending.admit(body, fields)
    add = partial(limited, cap=spending.output_cap, count=spending.counts)
    added, hidden = await run_in_thread_if(large, add, fields, target.dialect, target.quirks)
    return added or body, hidden


def overlaid(body: bytes, hub: HubRequest, fields: dict[str, Any], target: Target) -> bytes:
    """A client's own Chat body for a Chat upstream whose answer is converted: usage is asked for.

    `fields`: `body`, decoded.

    Raises InvalidRequest for what a converted answer from a Chat upstream cannot have.
    """
    for name in ("background", "conversation", "previous_response_id"):
        if hub.body.get(name):
            raise unsupported_field(
                name, f"'{name}' needs a Responses upstream; this one is Chat Completions."
            )
    if (hub.extra.get("n") or 1) != 1:
        raise unsupported_field("n", "'n' must be 1 here: a response has one answer.")
    if hub.body.get("stream") is not True or not target.quirks.usage_in_stream:
        return with_model(body, target)
    options = fields.get("stream_options")
    asked = {**(options if type(options) is dict else {}), "include_usage": True}
    return with_model(encode({**fields, "stream_options": asked}), target)


def with_model(body: bytes, target: Target) -> bytes:
    """`body` under the upstream's name of the model: the one edit that every relay knows.

    Raises InvalidRequest.
    """
    try:
        return body if target.model is None else with_string(body, "model", target.model)
    except JSONError as error:
        raise bad_json(error, body) from None
