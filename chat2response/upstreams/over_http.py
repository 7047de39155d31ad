"""`HttpUpstream`: what a Chat and a Responses server have in common as upstreams.

A dialect adds its path, how a request is written, and how an answer is read.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from chat2response.convert.chat.answer import ReasoningForm
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.writer import Writer
from chat2response.net.transport import Transport
from chat2response.upstreams.base import Origin, Read, Reply, Target
from chat2response.upstreams.http import HttpRawReply, HttpTurn, Reader
from chat2response.upstreams.json import fetch, fetch_models


class HttpUpstream(ABC):
    """Upstream over `POST {base}{path}`."""

    path: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @abstractmethod
    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The request in this dialect, for a hub request."""

    @abstractmethod
    def reader(
        self, ask: HubRequest | bytes, target: Target, writer: Writer, reasoning: ReasoningForm
    ) -> Reader:
        """What reads the stream that answers `ask` into `writer`."""

    @abstractmethod
    def feed_whole(self, reader: Reader, answer: Any) -> None:
        """Feeds a reader an answer that came as one JSON body although a stream was asked for."""

    @abstractmethod
    def read(self, ask: HubRequest | bytes, target: Target, answer: Any) -> Read:
        """What makes the response of the JSON answer to `ask`. It raises UpstreamError where it is none."""

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
        url, reader = target.base_url + self.path, self.reader(ask, target, writer, reasoning)
        return HttpTurn(self._transport, url, target, origin, body, reader, self.feed_whole, losses)

    async def once(self, ask: HubRequest | bytes, target: Target, origin: Origin) -> Reply:
        """A JSON answer."""
        losses = Losses()
        body = ask if isinstance(ask, bytes) else self.body(ask, target, losses)
        status, headers, answer = await fetch(
            self._transport, target.base_url + self.path, target, origin, body
        )
        return Reply(status, headers, losses, self.read(ask, target, answer))

    def relay(self, body: bytes, target: Target, origin: Origin) -> HttpRawReply:
        """The server's own bytes."""
        return HttpRawReply(self._transport, target.base_url + self.path, target, origin, body)

    async def models(self, target: Target, origin: Origin) -> bytes:
        """The server's list."""
        return await fetch_models(self._transport, target, origin)
