"""Reads the few fields of a relayed request that the gateway needs, and makes the few edits it requires."""

from collections.abc import Callable, Mapping
from typing import Any

from chat2response.convert.dialects.dialect import Dialect, Peek
from chat2response.convert.losses import Losses
from chat2response.convert.requests.request_body import bad_json, not_an_object, read_object
from chat2response.engine.duplicate_fields import check_permission_fields
from chat2response.engine.run import Run
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, decode, decode_with_repairs, encode
from chat2response.wire.json_repair import make_strict
from chat2response.wire.values import Struct


class RelayedRequest(Struct):
    """A body in the upstream's dialect, whose answer the client gets as it is."""

    body: bytes
    losses: Losses
    stream: bool
    stored: bool
    """Whether the upstream stores the answer."""
    choices: int = 1
    hide_usage: bool = False
    """Whether to remove the usage chunk, which the client did not request."""
    correct: Callable[[UpstreamError], object | None] | None = None
    """For a request that the gateway wrote: finds another form of it after an error, if there is one."""


async def relayed_request(run: Run) -> RelayedRequest:
    """Reads, checks and admits the client's own request. Raises BridgeError."""
    dialect, own_body = run.target.dialect, run.call.body
    if run.large:
        peek, checked = await run.apart(peek_request, own_body, dialect)
    else:
        peek, checked = peek_request(own_body, dialect)
    run.record.note_model(peek.model)
    await run.ownership.check_body(checked, peek)
    body, hide_usage = await _admitted(run, checked, peek)
    losses = Losses(run.fidelity)
    try:
        if run.large:
            body = await run.apart(dialect.for_backend, body, run.target.backend, losses)
        else:
            body = dialect.for_backend(body, run.target.backend, losses)
    except JSONError as error:
        raise bad_json(error, body) from None
    if body is checked:
        body = own_body  # the client's own bytes, even if they are not strict JSON
    elif checked is not own_body:
        for path, effect in (await run.apart(decode_with_repairs, own_body))[1]:
            losses.add(path, effect)
    return RelayedRequest(body, losses, peek.stream is True, peek.stored, peek.choices, hide_usage)


def peek_request(body: bytes, dialect: Dialect) -> tuple[Peek, bytes]:
    """The fields that decide how the request is handled, and the body to check and edit: the client's own, or
    its repaired form where it is not strict JSON. Raises InvalidRequest.
    """
    try:
        try:
            return dialect.peek(body), body
        except JSONError:
            repaired = make_strict(body)
            if repaired == body or _has_repaired_names(decode(repaired)):
                raise
            return dialect.peek(repaired), repaired
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


async def _admitted(run: Run, body: bytes, peek: Peek) -> tuple[bytes, bool]:
    """Admits the call. Returns the body with its key's limits, and whether to hide usage from the client."""
    meter = run.meter
    if not meter.needs_body:
        await meter.admit(body, {"model": peek.model})
        return body, False
    fields = await run.apart(read_object, body)
    await run.apart(check_permission_fields, body)
    await meter.admit(body, fields)
    return await run.apart(_limited, run, body, fields)


def _limited(run: Run, body: bytes, fields: Mapping[str, Any]) -> tuple[bytes, bool]:
    meter, target = run.meter, run.target
    limited, hide_usage = target.dialect.limited(
        fields, target.backend, cap=meter.output_cap, needs_usage=meter.needs_usage
    )
    return (body if limited is fields else encode(limited)), hide_usage
