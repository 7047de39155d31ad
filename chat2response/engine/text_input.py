"""`input` as a text, where an upstream takes nothing else: the operator says so, or it just did itself.

The second is the one retry that the original knew: a Responses server that refuses the form of `input` is
asked once more, before anything was sent to the client. Only for requests that we wrote: a client that speaks
Responses itself gets its upstream's own answer.
"""

from dataclasses import replace

from chat2response.convert.dialects.responses.request import read_request
from chat2response.convert.dialects.responses.text_input import fits_plain, plain_input
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.engine.plan import Plan
from chat2response.engine.request_reader import read_object
from chat2response.wire.json_edit import with_string


def plain_body(body: bytes, losses: Losses) -> bytes:
    """A client's own Responses body with its items as a text. Raises InvalidRequest."""
    hub = read_request(read_object(body))
    items = hub.body.get("input")
    return with_string(body, "input", plain_input(items, hub, losses)) if type(items) is list else body


def may_recast(hub: HubRequest | None, plan: Plan) -> bool:
    """Whether a refused request can be sent again with a text in place of its items."""
    target = plan.target
    if hub is None or hub.dialect != "chat" or target.dialect != "responses" or target.text_input:
        return False
    return fits_plain(hub)


def recast(plan: Plan) -> Plan:
    """The same way to an upstream that takes text only."""
    return replace(plan, target=replace(plan.target, text_input=True))
