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
from chat2response.net.transport import Transport
from chat2response.upstreams.base import Origin, Reply, Target
from chat2response.upstreams.http import HttpRawReply, HttpTurn, Reader
from chat2response.upstreams.json import fetch, fetch_models
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response

_PATH = "/responses"


class ResponsesUpstream:
    """Upstream over `POST {base}/responses`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The Responses request for a hub request."""
        return encode(target.named(write_request(ask, losses)))

    def open(
        self,
        ask: HubRequest | bytes,
        target: Target,
        writer: Writer,
        origin: Origin,
        reasoning: ReasoningForm,
    ) -> HttpTurn:
        """A streamed turn. `form` is not used: a Responses server says itself what is a summary."""
        losses = Losses()
        body = ask if isinstance(ask, bytes) else self.body(ask, target, losses)
        reader = ResponsesReader(writer)
        return HttpTurn(
            self._transport, target.base_url + _PATH, target, origin, body, reader, _feed_whole, losses
        )

    async def once(self, ask: HubRequest | bytes, target: Target, origin: Origin) -> Reply:
        """A response."""
        losses = Losses()
        body = ask if isinstance(ask, bytes) else self.body(ask, target, losses)
        status, headers, answer = await fetch(self._transport, target.base_url + _PATH, target, origin, body)

        def read(echo: Echo, ids: Ids, clock: Clock, reasoning: ReasoningForm, lost: Losses) -> Response:
            return read_response(answer)

        return Reply(status, headers, losses, read)

    def relay(self, body: bytes, target: Target, origin: Origin) -> HttpRawReply:
        """The server's own bytes."""
        return HttpRawReply(self._transport, target.base_url + _PATH, target, origin, body)

    async def models(self, target: Target, origin: Origin) -> bytes:
        """The server's list."""
        return await fetch_models(self._transport, target, origin)


def _feed_whole(reader: Reader, response: Any) -> None:
    """A whole resource is what its terminal event carries; anything else is an error, or unreadable."""
    reader.feed(b"data: %b\n\n" % encode(as_event(response)))
