"""A Responses server."""

from typing import Any

from chat2response.convert.chat.answer import ReasoningForm
from chat2response.convert.echo import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.responses.read import ResponsesReader
from chat2response.convert.responses.request import write_request
from chat2response.convert.responses.response import as_event, read_response
from chat2response.convert.writer import Writer
from chat2response.upstreams.base import Read, Target
from chat2response.upstreams.http import Reader
from chat2response.upstreams.over_http import HttpUpstream
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response


class ResponsesUpstream(HttpUpstream):
    """Upstream over `POST {base}/responses`."""

    path = "/responses"

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The Responses request for a hub request."""
        return encode(target.named(write_request(ask, losses)))

    def reader(
        self, ask: HubRequest | bytes, target: Target, writer: Writer, reasoning: ReasoningForm
    ) -> Reader:
        """Of events. A Responses server says itself what of its reasoning is a summary."""
        return ResponsesReader(writer)

    def feed_whole(self, reader: Reader, answer: Any) -> None:
        """A resource is what its terminal event carries; anything else is an error, or unreadable."""
        reader.feed(b"data: %b\n\n" % encode(as_event(answer)))

    def read(self, ask: HubRequest | bytes, target: Target, answer: Any) -> Read:
        """The server's own resource."""

        def read(echo: Echo, ids: Ids, clock: Clock, reasoning: ReasoningForm, losses: Losses) -> Response:
            return read_response(answer)

        return read
