"""`HttpUpstream`: what Chat and Responses servers have in common as upstreams.

A dialect adds its path, how to write a request, and how to read an answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.reader import Reader
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.net.transport import Transport
from chat2response.upstreams.base import ClientContext, Reply, Target
from chat2response.upstreams.http_json import Document, EventStreamBody, fetch, fetch_models
from chat2response.upstreams.http_stream import HttpRawReply, HttpTurn
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.large_documents import run_in_thread_if
from chat2response.wire.responses import Response


class AnswerDecoder(Protocol):
    """Decodes one answer."""

    def reader(self, writer: Writer) -> Reader:
        """Reads a stream into `writer`."""
        ...

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response in a JSON answer. Raises UpstreamError if it is none."""
        ...


DecoderFactory = Callable[[ReasoningForm], AnswerDecoder]


class HttpUpstream(ABC):
    """Upstream over `POST {base}{path}`. `policy`: the operator's, on what a dialect cannot express.
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
    def encode_request(
        self, request: HubRequest, target: Target, losses: Losses
    ) -> tuple[bytes, DecoderFactory]:
        """The hub request in this dialect, and the factory of its answer's decoder."""

    @abstractmethod
    def decoder_factory(self, target: Target) -> DecoderFactory:
        """The factory of the decoder for a body that the gateway did not write."""

    def body(self, request: HubRequest, target: Target, losses: Losses) -> bytes:
        """The hub request in this dialect."""
        return self.encode_request(request, target, losses)[0]

    def _encoded(
        self, request: HubRequest | bytes, target: Target, losses: Losses
    ) -> tuple[bytes, DecoderFactory]:
        return (
            (request, self.decoder_factory(target))
            if isinstance(request, bytes)
            else self.encode_request(request, target, losses)
        )

    def open(
        self,
        request: HubRequest | bytes,
        target: Target,
        writer: Writer,
        context: ClientContext,
        reasoning: ReasoningForm,
    ) -> HttpTurn:
        """A streamed turn."""
        losses = Losses(context.fidelity)
        body, decoder_factory = self._encoded(request, target, losses)
        url, reader = target.base_url + self.path, decoder_factory(reasoning).reader(writer)
        return HttpTurn(self._transport, url, target, context, body, reader, losses, self._max_output)

    async def once(self, request: HubRequest | bytes, target: Target, context: ClientContext) -> Reply:
        """A JSON answer."""
        losses = Losses(context.fidelity)
        body, decoder_factory = await run_in_thread_if(context.large, self._encoded, request, target, losses)
        url = target.base_url + self.path
        status, headers, answer, large = await fetch(
            self._transport, url, target, context, body, self._max_output
        )

        def read(
            echo: EchoedFields, ids: Ids, clock: Clock, reasoning: ReasoningForm, response_losses: Losses
        ) -> Response:
            decoder = decoder_factory(reasoning)
            if isinstance(answer, Document):
                add_repair_losses(answer.repairs, response_losses)
                return decoder.response(answer.value, echo, ids, clock, response_losses)
            return _read_event_stream(
                answer, decoder, ResponseWriter(echo, ids, clock, response_losses), self._max_output
            )

        return Reply(status, headers, losses, read, large)

    def relay(self, body: bytes, target: Target, context: ClientContext) -> HttpRawReply:
        """The server's own bytes."""
        return HttpRawReply(self._transport, target.base_url + self.path, target, context, body)

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """The server's list of models."""
        return await fetch_models(self._transport, target, context)


_CHUNK = 64 * 1024  # bytes that are fed at once, between checks of the size


def _read_event_stream(
    events: EventStreamBody, answer: AnswerDecoder, writer: ResponseWriter, max_output: int
) -> Response:
    """The response of a stream that came in place of JSON. Raises the error that it ended with."""
    writer.max_weight = max_output
    writer.begin()
    reader = answer.reader(writer)
    feed = EventFeed(reader)
    for at in range(0, len(events), _CHUNK):
        feed.feed(events[at : at + _CHUNK])
        writer.take()  # the events are not needed
        check_weight(reader.output_chars + writer.weight, max_output)
        if reader.done:
            break
    else:
        feed.close()
    return finished_response(writer)
