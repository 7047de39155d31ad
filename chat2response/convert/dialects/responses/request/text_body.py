"""Sends `input` as text to an upstream that takes no items, by setting or after its error.

A Responses server that rejects the form of `input` is called once more, before anything is sent to the
client. The retry is for requests that the gateway wrote: a client that speaks Responses itself gets the
upstream's own answer.
"""

from dataclasses import replace

from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.dialects.responses.request.text_input import fits_text_input, input_as_text
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.requests.request_body import read_object
from chat2response.errors import UpstreamError
from chat2response.wire.json_edit import with_string


def with_text_input(body: bytes, losses: Losses) -> bytes:
    """A client's own Responses body with its items written as text. Raises InvalidRequest."""
    hub = read_request(read_object(body))
    items = hub.body.get("input")
    return with_string(body, "input", input_as_text(items, hub, losses)) if type(items) is list else body


def backend_for_text(error: UpstreamError, hub: HubRequest, backend: Backend) -> Backend | None:
    """The backend, taking text only, after it rejected items; None if `hub` cannot be sent as text."""
    if not error.refused_input or hub.dialect == "responses" or backend.text_input:
        return None
    return replace(backend, text_input=True) if fits_text_input(hub) else None
