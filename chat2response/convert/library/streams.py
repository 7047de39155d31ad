"""The library's two stream machines. Each converts the bytes of a stream from one dialect to the other.

    machine = ChatToResponses(request)
    for data in network: out = machine.feed(data)
    out = machine.close()

How the bytes are cut does not change the result. Chained (`ChatToResponses`, then `ResponsesToChat`), the two
machines return the canonical form of a Chat stream with one choice:

- A role chunk (`content: ""`, `refusal: null`), then one chunk for each non-empty piece, its text unchanged
  and in order. A delta with several fields is split into reasoning, text, citations, refusal, calls.
- Reasoning is always `reasoning_content`. Where it resumes after other output, a chunk with a blank line
  comes first.
- Calls are numbered from 0 in the order in which they begin. One chunk has the `id`, `type` and `name` of a
  call and empty `arguments`; the following ones have its arguments. That chunk comes at the first arguments,
  or when other output begins.
- Arguments are one JSON text. Empty ones become `{}`, at the end; repeated ones are left out.
- Logprobs stay with their text. The positions of citations count over all text.
- One finish chunk with a `finish_reason` of OpenAI's, or one error chunk; the usage chunk if it was requested
  and is known; `[DONE]`.

Converting the canonical form again changes only the blank lines between runs of reasoning.
"""

import time
from collections.abc import Mapping
from typing import Any

from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.mappings import copy_mapping
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import resolve_quirks
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reader import Reader
from chat2response.convert.reasoning.reasoning_form import ReasoningForm, reasoning_form
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.fault import Fault
from chat2response.wire.ids import Clock, Ids, new_id
from chat2response.wire.responses import Response


class _Stream:
    """Connects a reader, a writer and an encoder."""

    def __init__(self, request: HubRequest, ids: Ids, clock: Clock) -> None:
        self.done = False
        self._writer = ResponseWriter(EchoedFields.of(request), ids, clock)
        self._reader: Reader
        self._events: EventFeed
        self._encoder: ChatEncoder | ResponsesEncoder

    @property
    def response(self) -> Response:
        """The response so far; complete once `done` is true."""
        return self._writer.response

    @property
    def losses(self) -> Losses:
        """What the upstream sent and this stream cannot express."""
        return self._writer.losses

    def feed(self, data: bytes, /) -> bytes:
        """Takes the bytes of one network read; returns the bytes for the client."""
        if self.done:
            return b""
        self._begin()
        self._events.feed(data)
        return self._flush()

    def close(self, fault: Fault | None = None, /) -> bytes:
        """Ends the stream (`fault`: why it was cut). Returns the last bytes, always with a terminal event."""
        if self.done:
            return b""
        self._begin()
        self._events.close(fault)
        return self._flush()

    def _begin(self) -> None:
        if not self._writer.started:
            self._writer.begin()

    def _flush(self) -> bytes:
        if self._reader.done:
            self.done = True
            self._writer.finish()
        return self._encoder.encode(self._writer.take())


class ChatToResponses(_Stream):
    """Chat chunks (SSE bytes) in, Responses events (SSE bytes) out.

    `request` is the Responses request that the stream answers. The response echoes its fields and its model
    name (the first event needs it), calls its tools by their own names, and includes logprobs if `include`
    requests them. `reasoning` is where reasoning goes, by default to `summary`. `quirks` are those of the
    backend, or the name of a profile (an unknown one raises QuirksError, a ValueError). `ids` and `clock` are
    for tests.
    """

    def __init__(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        reasoning: ReasoningForm | None = None,
        quirks: Quirks | str = OPENAI_COMPATIBLE,
        ids: Ids = new_id,
        clock: Clock = time.time,
    ) -> None:
        request_fields = {} if request is None else copy_mapping("request", request)
        hub = HubRequest(body=request_fields, dialect="responses")  # type: ignore[arg-type]
        super().__init__(hub, ids, clock)
        backend_quirks = resolve_quirks(quirks)
        form = reasoning or reasoning_form(hub.body)
        decoder = ChatAnswerDecoder.from_request(request, form, ToolMap.of(hub, backend_quirks))
        self._reader = decoder.reader(self._writer)
        self._events = EventFeed(self._reader)
        self._encoder = ResponsesEncoder()


class ResponsesToChat(_Stream):
    """Responses events (SSE bytes) in, Chat chunks (SSE bytes) out.

    `model` is the model name in the chunks; `include_usage` and `logprobs` are the Chat client's options.
    """

    def __init__(
        self,
        *,
        model: str = "",
        include_usage: bool = False,
        logprobs: bool = False,
        ids: Ids = new_id,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(HubRequest(body={"model": model}, dialect="chat"), ids, clock)
        self._reader = ResponsesReader(self._writer)
        self._events = EventFeed(self._reader)
        self._encoder = ChatEncoder(
            include_usage=include_usage, logprobs=logprobs, losses=self._writer.losses
        )
