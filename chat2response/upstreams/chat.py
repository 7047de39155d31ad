"""A Chat Completions server."""

from typing import Any

from chat2response.convert.chat.answer import ReasoningForm
from chat2response.convert.chat.reading import Reading, feed_whole
from chat2response.convert.chat.request import write_request
from chat2response.convert.echo import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.writer import Writer
from chat2response.upstreams.base import Read, Target
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

    def reader(
        self, ask: HubRequest | bytes, target: Target, writer: Writer, reasoning: ReasoningForm
    ) -> Reader:
        """Of chunks."""
        return _reading(ask, target, reasoning).reader(writer)

    def feed_whole(self, reader: Reader, answer: Any) -> None:
        """A completion is one chunk with everything in it; what has no choices is an error, or unreadable."""
        feed_whole(reader, answer)

    def read(self, ask: HubRequest | bytes, target: Target, answer: Any) -> Read:
        """The response for a completion."""

        def read(echo: Echo, ids: Ids, clock: Clock, reasoning: ReasoningForm, losses: Losses) -> Response:
            return _reading(ask, target, reasoning).response(answer, echo, ids, clock, losses)

        return read


def _reading(ask: HubRequest | bytes, target: Target, reasoning: ReasoningForm) -> Reading:
    """A finished body asks for nothing beyond what its answer says."""
    if isinstance(ask, bytes):
        return Reading(reasoning, target.quirks)
    return Reading.of(ask, reasoning, target.quirks)
