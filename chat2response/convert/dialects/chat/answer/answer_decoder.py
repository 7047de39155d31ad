"""`Reading`: how the answer to one Chat call is read, as a stream or whole.

An answer that is read as it stands has a direct way (`read_response`). Where its words change on the way,
each change is a wrapper around the writer, and a whole answer goes through the same wrappers as a stream of
one chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.convert.dialects.chat.answer.completion import as_chunk, read_response
from chat2response.convert.dialects.chat.answer.provider_metadata import Carried
from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.chat.answer.think_tags import ThinkSplitter
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_call_restore import restored
from chat2response.convert.dialects.chat.tools.tool_choice import allowed_names
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.lenient_reader import StreamReader, feed_as_event
from chat2response.convert.losses import Losses
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.sealed_reasoning import Seal
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.reasoning_sealer import ReasoningSealer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response

ENCRYPTED = "reasoning.encrypted_content"  # the value of `include` that asks for it


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class Reading:
    """`form`: where reasoning goes; `quirks`: the backend's; `seal`: set where reasoning travels sealed;
    `tools`: those that were sent, where they are not the client's own; `logprobs`: whether they are shown;
    `allowed`: the backend's names of the only tools that may be called, where the request says so."""

    form: ReasoningForm = "content"
    quirks: Quirks = OPENAI_COMPATIBLE
    seal: Seal | None = None
    tools: ToolMap | None = None
    logprobs: bool = True
    allowed: frozenset[str] | None = None

    @classmethod
    def of(cls, hub: HubRequest, tools: ToolMap, form: ReasoningForm) -> "Reading":
        """As the request asks, of the backend that `tools` are for."""
        include: Any = hub.body.get("include") or ()
        seal = hub.seal if ENCRYPTED in include else None
        allowed = allowed_names(hub.body.get("tool_choice"), tools)
        return cls(form, tools.quirks, seal, tools, LOGPROBS in include, allowed)

    @classmethod
    def to(cls, request: Mapping[str, Any] | None, form: ReasoningForm, tools: ToolMap) -> "Reading":
        """That of an answer to this Responses request, unsealed. Without a request all logprobs are shown."""
        asked = request or {}
        logprobs = request is None or LOGPROBS in (asked.get("include") or ())
        allowed = allowed_names(asked.get("tool_choice"), tools)
        return cls(form, tools.quirks, None, tools, logprobs, allowed)

    @property
    def plain(self) -> bool:
        """Whether the answer is read as it stands."""
        changed = self.seal is not None or self.quirks.think_tags or self.allowed is not None
        return not changed and (self.tools is None or self.tools.plain)

    def reader(self, writer: Writer) -> ChatReader:
        """A reader of chunks onto `writer`."""
        form, carried = self.form, None
        if self.tools is not None:
            writer = restored(writer, self.tools, self.allowed)
        if self.seal is not None:
            carried = Carried(self.quirks.carried)
            writer = ReasoningSealer(writer, self.seal, carried, show=form != "hide")
            form = "content" if form == "hide" else form
        if self.quirks.think_tags:
            writer = ThinkSplitter(writer, self.quirks, form)
        return ChatReader(writer, reasoning=form, quirks=self.quirks, carried=carried, logprobs=self.logprobs)

    def response(
        self, completion: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response that a whole completion is. Raises UpstreamError where it is none."""
        if self.plain:
            return read_response(
                completion,
                echo,
                ids,
                clock,
                reasoning=self.form,
                losses=losses,
                quirks=self.quirks,
                logprobs=self.logprobs,
            )
        writer = ResponseWriter(echo, ids, clock, losses)
        reader = self.reader(writer)
        feed_whole(reader, completion)
        reader.close()
        return finished_response(writer)


def feed_whole(reader: StreamReader, completion: Any) -> None:
    """Feeds a reader a whole completion: one chunk with everything in it. What is none is an error to it."""
    feed_as_event(reader, as_chunk, completion)
