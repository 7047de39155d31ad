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
from chat2response.upstreams.base import Target
from chat2response.upstreams.http import Reader
from chat2response.upstreams.over_http import HttpUpstream
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response


class ChatUpstream(HttpUpstream):
    """Upstream over `POST {base}/chat/completions`."""

    path = "/chat/completions"

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The Chat request for a hub request."""
        return encode(target.named(write_request(ask, losses, target.quirks)))

    def reader(self, writer: Writer, reasoning: ReasoningForm) -> Reader:
        """Of chunks."""
        return ChatReader(writer, reasoning=reasoning)

    def feed_whole(self, reader: Reader, answer: Any) -> None:
        """A completion is one chunk with everything in it; what has no choices is an error, or unreadable."""
        chunk = as_chunk(answer) if type(answer) is dict else answer
        reader.feed(b"data: %b\n\n" % encode(chunk))

    def read(
        self, answer: Any, echo: Echo, ids: Ids, clock: Clock, reasoning: ReasoningForm, losses: Losses
    ) -> Response:
        """The response for a completion."""
        return read_response(answer, echo, ids, clock, reasoning=reasoning, losses=losses)
