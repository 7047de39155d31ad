"""Reads a client's request into the hub, and checks and admits it."""

from dataclasses import replace
from typing import Any

from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.reasoning.reasoning_form import reasoning_form
from chat2response.convert.requests.output_limit import hub_with_limit, with_limit
from chat2response.convert.requests.request_body import bad_json
from chat2response.convert.validation import invalid_value
from chat2response.convert.writer.stop_strings import read_stop_strings
from chat2response.engine.request_reader import read_whole
from chat2response.engine.respond.question import Question
from chat2response.engine.run import Run
from chat2response.engine.seal_selection import with_seal
from chat2response.errors import InvalidRequest
from chat2response.wire.json import JSONError, encode
from chat2response.wire.values import Struct

MAX_CHOICES = 8
"""Choices that one call may request: each one is an upstream call."""


class HubCall(Struct):
    """An admitted call. `hub`: the client's request; `question`: what is asked of the upstream."""

    hub: HubRequest
    question: Question
    stream: bool
    choices: int = 1
    """The number of requests to the upstream, each for one choice; 1: one request for all."""


async def hub_call(run: Run) -> HubCall:
    """Reads, checks and admits the request. Raises BridgeError."""
    meter, overlay = run.meter, run.plan.up == "overlay"
    if run.large:
        fields, hub = await run.apart(read_whole, run.call, meter.needs_body, overlay)
    else:
        fields, hub = read_whole(run.call, meter.needs_body, overlay)
    run.record.note_model(fields.get("model"))
    try:
        choices = _take_choices(run, hub)
        await meter.admit(run.call.body, fields, choices)
        return await _admitted(run, fields, hub, choices)
    except InvalidRequest as error:
        add_hint(error, fields, run.call.surface.reads.name)
        raise


async def _admitted(run: Run, fields: dict[str, Any], hub: HubRequest, choices: int) -> HubCall:
    target, sent_body = run.target, run.call.body
    dialect, backend = target.dialect, target.backend
    if (cap := run.meter.output_cap) is not None:
        hub = hub_with_limit(hub, cap, backend.quirks)
        fields = with_limit(fields, cap, backend.quirks.max_tokens)
        sent_body = await run.apart(encode, fields)
    hub = with_seal(hub, run.call, target, run.parts.sealing)
    hub.form = reasoning_form(hub.body, run.parts.options.reasoning, run.call.client)
    stops = () if dialect.stops_at_strings else read_stop_strings(hub)
    if run.fidelity == "strict":
        add_gateway_losses(run, hub, stops, Losses("strict"))  # raises before the upstream is called
    if dialect.stateful:
        await run.ownership.check({**hub.extra, **hub.body, "input": None})  # Chat items have no ids
    question = Question(hub, backend, None, stops)
    if run.plan.up == "overlay":
        question.body = await run.apart(_overlaid, run, sent_body, fields, hub)
    if stops:
        extra = {name: value for name, value in hub.extra.items() if name != "stop"}
        body: Any = {**hub.body, "stream": True}  # a stream can be stopped at the first one
        question.hub = replace(hub, extra=extra, body=body)
    return HubCall(hub, question, hub.body.get("stream") is True, choices)


def _overlaid(run: Run, body: bytes, fields: dict[str, Any], hub: HubRequest) -> bytes:
    """The client's own body with what its answer's conversion needs. Raises InvalidRequest."""
    dialect, backend = run.target.dialect, run.target.backend
    body = dialect.with_usage(body, fields, hub, backend)
    try:
        return dialect.for_backend(body, backend, Losses(run.fidelity))
    except JSONError as error:
        raise bad_json(error, body) from None


def _take_choices(run: Run, hub: HubRequest) -> int:
    """Takes `n` out of the hub request, where each choice is an upstream call. Raises InvalidRequest."""
    surface = run.call.surface
    n = hub.extra.get("n")
    if run.plan.up != "convert" or surface.writes.choices is None or type(n) is not int or n <= 1:
        return 1
    if n > MAX_CHOICES:
        raise invalid_value(
            "n", f"'n' may be at most {MAX_CHOICES} here: each choice is a separate upstream call."
        )
    hub.extra = {name: value for name, value in hub.extra.items() if name != "n"}
    return n


def add_gateway_losses(run: Run, hub: HubRequest, stops: object, losses: Losses) -> None:
    """Adds the losses of the gateway itself to those of the converter."""
    for path, effect in run.call.repairs:
        losses.add(path, effect)
    if hub.body.get("store") is not True:
        return
    unsupported = run.plan.up == "convert" and not run.target.dialect.stateful
    if unsupported or (stops and run.call.surface.writes.stateful):
        losses.add("store", "not stored")
