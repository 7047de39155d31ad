"""Sends `input` as text to an upstream that takes no items, by setting or after its error.

A Responses server that rejects the form of `input` is called once more, before anything is sent to the
client. The retry is for requests that the gateway wrote: a client that speaks Responses itself gets the
upstream's own answer.
"""

from dataclasses import replace

from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.dialects.responses.request.text_input import fits_text_input, input_as_text
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.engine.plan import Plan
from chat2response.engine.request_reader import read_object
from chat2response.wire.json_edit import with_string


def plain_body(body: bytes, losses: Losses) -> bytes:
    """A client's own Responses body with its items written as text. Raises InvalidRequest."""
    hub = read_request(read_object(body))
    items = hub.body.get("input")
    return with_string(body, "input", input_as_text(items, hub, losses)) if type(items) is list else body


def can_send_text(hub: HubRequest | None, plan: Plan) -> bool:
    """Whether a rejected request can be sent again with text in place of its items."""
    target = plan.target
    if hub is None or hub.dialect != "chat" or target.dialect != "responses" or target.text_input:
        return False
    return fits_text_input(hub)


def with_text_input(plan: Plan) -> Plan:
    """The plan with an upstream that takes text only."""
    return replace(plan, target=replace(plan.target, text_input=True))
