"""A Chat Completions server."""

from typing import Any

from chat2response.convert.chat.answer import ReasoningForm
from chat2response.convert.chat.read import ChatReader
from chat2response.convert.chat.request import write_request
from chat2response.convert.chat.response import as_chunk, read_response
from chat2response.convert.echo import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.writer import Writer
from chat2response.net.transport import Transport
from chat2response.upstreams.base import Origin, Reply, Target
from chat2response.upstreams.http import HttpRawReply, HttpTurn, Reader
from chat2response.upstreams.json import fetch, fetch_models
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response

_PATH = "/chat/completions"


class ChatUpstream:
    """Upstream over `POST {base}/chat/completions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The Chat request for a hub request."""
        return encode(target.named(write_request(ask, losses, target.quirks)))

    def open(
        self,
        ask: HubRequest | bytes,
        target: Target,
        writer: Writer,
        origin: Origin,
        reasoning: ReasoningForm,
    ) -> HttpTurn:
        """A streamed turn."""
        losses = Losses()
        body = ask if isinstance(ask, bytes) else self.body(ask, target, losses)
        reader = ChatReader(writer, reasoning=reasoning)
        return HttpTurn(
            self._transport, target.base_url + _PATH, target, origin, body, reader, _feed_whole, losses
        )

    async def once(self, ask: HubRequest | bytes, target: Target, origin: Origin) -> Reply:
        """A completion."""
        losses = Losses()
        body = ask if isinstance(ask, bytes) else self.body(ask, target, losses)
        status, headers, completion = await fetch(
            self._transport, target.base_url + _PATH, target, origin, body
        )

        def read(echo: Echo, ids: Ids, clock: Clock, form: ReasoningForm, lost: Losses) -> Response:
            return read_response(completion, echo, ids, clock, reasoning=form, losses=lost)

        return Reply(status, headers, losses, read)

    def relay(self, body: bytes, target: Target, origin: Origin) -> HttpRawReply:
        """The server's own bytes."""
        return HttpRawReply(self._transport, target.base_url + _PATH, target, origin, body)

    async def models(self, target: Target, origin: Origin) -> bytes:
        """The server's list."""
        return await fetch_models(self._transport, target, origin)


def _feed_whole(reader: Reader, completion: Any) -> None:
    """A completion is one chunk with everything in it; what has no choices is an error, or unreadable."""
    whole = type(completion) is dict and type(completion.get("choices")) is list
    reader.feed(b"data: %b\n\n" % encode(as_chunk(completion) if whole else completion))
