"""`HttpUpstream`: what a Chat and a Responses server have in common as upstreams.

A dialect adds its path, how a request is written, and how an answer is read.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy, ReasoningForm
from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.net.transport import Transport
from chat2response.upstreams.base import Origin, Reply, Target
from chat2response.upstreams.http_json import Document, Events, fetch, fetch_models
from chat2response.upstreams.http_stream import HttpRawReply, HttpTurn, Reader
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.large_documents import run_in_thread_if
from chat2response.wire.responses import Response


class Answer(Protocol):
    """How one answer is read."""

    def reader(self, writer: Writer) -> Reader:
        """What reads a stream into `writer`."""
        ...

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response that a JSON answer is. Raises UpstreamError where it is none."""
        ...


How = Callable[[ReasoningForm], Answer]


class HttpUpstream(ABC):
    """Upstream over `POST {base}{path}`. `policy`: the operator's, on what cannot cross as it is.
    `max_output`: the bytes that a converted JSON answer may have.
    """

    path: ClassVar[str]

    def __init__(
        self, transport: Transport, policy: Policy = DEFAULT_POLICY, max_output: int = MAX_OUTPUT
    ) -> None:
        self._max_output = max_output
        self._transport = transport
        self._policy = policy

    @abstractmethod
    def asked(self, ask: HubRequest, target: Target, losses: Losses) -> tuple[bytes, How]:
        """The request in this dialect, for a hub request; and how its answer is read."""

    @abstractmethod
    def how(self, target: Target) -> How:
        """How the answer to a finished body is read: nothing in it is asked for by us."""

    @abstractmethod
    def feed_whole(self, reader: Reader, answer: Any) -> None:
        """Feeds a reader an answer that came as one JSON body although a stream was asked for."""

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """The request in this dialect, for a hub request."""
        return self.asked(ask, target, losses)[0]

    def _sent(self, ask: HubRequest | bytes, target: Target, losses: Losses) -> tuple[bytes, How]:
        return (ask, self.how(target)) if isinstance(ask, bytes) else self.asked(ask, target, losses)

    def open(
        self,
        ask: HubRequest | bytes,
        target: Target,
        writer: Writer,
        origin: Origin,
        reasoning: ReasoningForm,
    ) -> HttpTurn:
        """A streamed turn."""
        losses = Losses(origin.fidelity)
        body, how = self._sent(ask, target, losses)
        url, reader = target.base_url + self.path, how(reasoning).reader(writer)
        return HttpTurn(
            self._transport, url, target, origin, body, reader, self.feed_whole, losses, self._max_output
        )

    async def once(self, ask: HubRequest | bytes, target: Target, origin: Origin) -> Reply:
        """A JSON answer."""
        losses = Losses(origin.fidelity)
        body, how = await run_in_thread_if(origin.large, self._sent, ask, target, losses)
        url = target.base_url + self.path
        status, headers, answer, large = await fetch(
            self._transport, url, target, origin, body, self._max_output
        )

        def read(
            echo: EchoedFields, ids: Ids, clock: Clock, reasoning: ReasoningForm, lost: Losses
        ) -> Response:
            said = how(reasoning)
            if isinstance(answer, Document):
                add_repair_losses(answer.repairs, lost)
                return said.response(answer.value, echo, ids, clock, lost)
            return _folded(answer, said, ResponseWriter(echo, ids, clock, lost), self._max_output)

        return Reply(status, headers, losses, read, large)

    def relay(self, body: bytes, target: Target, origin: Origin) -> HttpRawReply:
        """The server's own bytes."""
        return HttpRawReply(self._transport, target.base_url + self.path, target, origin, body)

    async def models(self, target: Target, origin: Origin) -> bytes:
        """The server's list."""
        return await fetch_models(self._transport, target, origin)


_PIECE = 64 * 1024  # bytes that are read at once, between looks at what is kept of them


def _folded(events: Events, answer: Answer, writer: ResponseWriter, most: int) -> Response:
    """The response that a stream makes which came for a JSON request. Raises the error that it ended with."""
    writer.max_weight = most
    writer.begin()
    reader = answer.reader(writer)
    for at in range(0, len(events), _PIECE):
        reader.feed(events[at : at + _PIECE])
        writer.take()  # nobody looks at events here
        check_weight(reader.said + writer.weight, most)
        if reader.done:
            break
    else:
        reader.close()
    return finished_response(writer)
