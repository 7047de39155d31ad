"""The two stream machines of the library: one dialect's bytes in, the other's out.

    machine = ChatToResponses(request)
    for data in network: out = machine.feed(data)
    out = machine.close()

What either makes of a stream does not depend on how the bytes were cut. Face to face (`ChatToResponses` into
`ResponsesToChat`) they return the canonical form of a Chat stream of one choice:

- a role chunk (`content: ""`, `refusal: null`), then one chunk for each non-empty piece, with its text
  unchanged and in order; a delta that says several things is taken apart into reasoning, text, citations,
  refusal, calls;
- reasoning is `reasoning_content`, whatever it was called; where it resumes after something else, a chunk
  with a blank line comes first;
- calls are numbered from 0 as they begin. A chunk names the call (`id`, `type`, `name`, empty `arguments`),
  the next ones bring its arguments; it stands where the first of these came, or where something else began;
- arguments are one JSON text; empty ones are `{}`, at the end, and what is repeated is not there;
- logprobs stay with their text; citations count their places over all text;
- one finish chunk with an OpenAI word, or one error chunk; the usage chunk if asked for and known; `[DONE]`.

Reading the canonical form again gives the same, but for the blank lines between runs of reasoning.
"""

import time
from collections.abc import Mapping
from typing import Any

from chat2response.convert.client_profiles import DEFAULT, ClientProfile
from chat2response.convert.dialects.chat.answer.answer_decoder import Reading
from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.stream_encoder import ResponsesEncoder
from chat2response.convert.dialects.responses.stream_reader import ResponsesReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.mappings import fields_of
from chat2response.convert.losses import Losses
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.profiles import quirks_of
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.ids import Clock, Ids, new_id
from chat2response.wire.machine import Fault
from chat2response.wire.responses import Response


class _Stream:
    """Reader, writer and encoder in a row."""

    def __init__(self, request: HubRequest, ids: Ids, clock: Clock) -> None:
        self.done = False
        self._writer = ResponseWriter(EchoedFields.of(request), ids, clock)
        self._reader: ChatReader | ResponsesReader
        self._encoder: ChatEncoder | ResponsesEncoder

    @property
    def response(self) -> Response:
        """The response so far; whole after the end."""
        return self._writer.response

    @property
    def losses(self) -> Losses:
        """What the upstream said and this stream cannot."""
        return self._writer.losses

    def feed(self, data: bytes, /) -> bytes:
        """Takes one network read; returns the bytes for the client."""
        if self.done:
            return b""
        self._begin()
        self._reader.feed(data)
        return self._flush()

    def close(self, fault: Fault | None = None, /) -> bytes:
        """The source ended, or `fault` stopped it: returns the rest, with a terminal event in any case."""
        if self.done:
            return b""
        self._begin()
        self._reader.close(fault)
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

    `request` is the Responses request that the stream answers: it is echoed, gives the model's name
    (which the first event has to say), its tools get their own calls back, and `include` in it decides
    whether logprobs are shown. Reasoning goes to `summary`, unless `reasoning` says another place.
    `quirks`: the backend's, or the name of a profile (QuirksError, a ValueError, for one that is not
    known). `ids` and `clock` are for tests.
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
        asked = {} if request is None else fields_of("request", request)
        hub = HubRequest(body=asked, dialect="responses")  # type: ignore[arg-type]
        super().__init__(hub, ids, clock)
        known = quirks_of(quirks)
        form = reasoning or reasoning_form(hub)
        reading = Reading.to(request, form, ToolMap.of(hub, known))
        self._reader = reading.reader(self._writer)
        self._encoder = ResponsesEncoder()


class ResponsesToChat(_Stream):
    """Responses events (SSE bytes) in, Chat chunks (SSE bytes) out.

    `model` is the name shown in the chunks; `include_usage` and `logprobs` are what the Chat client asked.
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
        self._encoder = ChatEncoder(
            include_usage=include_usage, logprobs=logprobs, losses=self._writer.losses
        )


def reasoning_form(
    request: HubRequest, setting: ReasoningForm | None = None, client: ClientProfile = DEFAULT
) -> ReasoningForm:
    """Where reasoning goes: as the operator set it, else where this kind of client reads it.

    A client that reads both forms gets a summary where it asks for one.
    """
    if setting is not None:
        return setting
    if not client.raw_reasoning:
        return "summary"
    asked = request.body.get("reasoning")
    wants_summary = type(asked) is dict and (asked.get("summary") or asked.get("generate_summary"))
    return "summary" if wants_summary else "content"
