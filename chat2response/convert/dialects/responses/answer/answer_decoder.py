"""Reads the answer to a Responses call. Responses servers mark reasoning summaries themselves, so reading
needs nothing that writing the request decided.
"""

from typing import Any

from chat2response.convert import usage
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.dialects.responses.answer.whole_answer import read_response
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.reader import Reader
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response


class ResponsesAnswerDecoder:
    """The decoder of every Responses answer."""

    def reader(self, writer: Writer) -> Reader:
        """Reads a stream into `writer`."""
        return ResponsesReader(writer)

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response that the server sent, with its usage in the full form."""
        response = read_response(answer)
        return {**response, "usage": usage.read(response.get("usage"))}


DECODER = ResponsesAnswerDecoder()
