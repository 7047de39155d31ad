"""Responses servers as upstreams."""

from typing import Any

from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.dialects.responses.answer.whole_answer import read_response
from chat2response.convert.dialects.responses.request.request import write_request
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.reader import Reader
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.upstreams.base import PATHS, Target
from chat2response.upstreams.http_upstream import DecoderFactory, HttpUpstream
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response


class ResponsesUpstream(HttpUpstream):
    """Upstream over `POST {base}/responses`."""

    path = PATHS["responses"]

    def encode_request(
        self, request: HubRequest, target: Target, losses: Losses
    ) -> tuple[bytes, DecoderFactory]:
        """The Responses request for a hub request."""
        fields = write_request(request, losses, text_input=target.text_input, policy=self._policy)
        return encode(target.with_model(fields)), _responses_decoder

    def decoder_factory(self, target: Target) -> DecoderFactory:
        """The decoder of a Responses answer, which needs no context."""
        return _responses_decoder


class _ResponsesDecoder:
    """Decodes Responses answers, which mark reasoning summaries themselves."""

    def reader(self, writer: Writer) -> Reader:
        return ResponsesReader(writer)

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response that the server sent."""
        return read_response(answer)


def _responses_decoder(reasoning: ReasoningForm) -> _ResponsesDecoder:
    return _DECODER


_DECODER = _ResponsesDecoder()
