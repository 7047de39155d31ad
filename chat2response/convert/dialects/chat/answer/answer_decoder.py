"""`ChatAnswerDecoder`: how the answer to one Chat call is decoded, whole or as a stream.

A plain answer is decoded directly (`read_response`). Everything that changes an answer on its way (tool
names, sealed reasoning, think tags) is a wrapper around the writer; then a whole answer passes the same
wrappers, as a stream of one chunk.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.chat.answer.think_tags import ThinkSplitter
from chat2response.convert.dialects.chat.answer.whole_answer import read_response
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_call_restore import restore_tool_calls
from chat2response.convert.dialects.chat.tools.tool_choice import allowed_names
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning.provider_metadata import ProviderMetadata
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.reasoning.sealed_reasoning import Seal
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.reasoning_sealer import ReasoningSealer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response
from chat2response.wire.values import Struct

ENCRYPTED = "reasoning.encrypted_content"  # value of `include`: the client wants sealed reasoning


class ChatAnswerDecoder(Struct):
    """`form`: where reasoning goes; `quirks`: the backend's; `seal`: set if reasoning travels sealed;
    `tools`: the tools as they were sent, if they differ from the client's; `logprobs`: whether to pass them
    on;
    `allowed`: the backend's names of the only tools that may be called, if the request restricts them."""

    form: ReasoningForm = "content"
    quirks: Quirks = OPENAI_COMPATIBLE
    seal: Seal | None = None
    tools: ToolMap | None = None
    logprobs: bool = True
    allowed: frozenset[str] | None = None

    @classmethod
    def from_hub(cls, hub: HubRequest, tools: ToolMap, form: ReasoningForm) -> "ChatAnswerDecoder":
        """The decoder for a request in the hub and the backend that `tools` are for."""
        include: Any = hub.body.get("include") or ()
        seal = hub.seal if ENCRYPTED in include else None
        allowed = allowed_names(hub.body.get("tool_choice"), tools)
        return cls(form, tools.quirks, seal, tools, LOGPROBS in include, allowed)

    @classmethod
    def from_request(
        cls, request: Mapping[str, Any] | None, form: ReasoningForm, tools: ToolMap
    ) -> "ChatAnswerDecoder":
        """The decoder for the answer to this Responses request, unsealed. Without a request logprobs pass."""
        params = request or {}
        logprobs = request is None or LOGPROBS in (params.get("include") or ())
        allowed = allowed_names(params.get("tool_choice"), tools)
        return cls(form, tools.quirks, None, tools, logprobs, allowed)

    @property
    def plain(self) -> bool:
        """Whether nothing in the answer has to change."""
        changed = self.seal is not None or self.quirks.think_tags or self.allowed is not None
        return not changed and (self.tools is None or self.tools.plain)

    def reader(self, writer: Writer) -> ChatReader:
        """A reader of chunks that writes to `writer`."""
        form, metadata = self.form, None
        if self.tools is not None:
            writer = restore_tool_calls(writer, self.tools, self.allowed)
        if self.seal is not None:
            metadata = ProviderMetadata(self.quirks.carried)
            writer = ReasoningSealer(writer, self.seal, metadata, show=form != "hide")
            form = "content" if form == "hide" else form
        if self.quirks.think_tags:
            writer = ThinkSplitter(writer, self.quirks, form)
        return ChatReader(
            writer, reasoning=form, quirks=self.quirks, metadata=metadata, logprobs=self.logprobs
        )

    def response(
        self, completion: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """Converts a whole completion. Raises UpstreamError if it is an error, or no completion."""
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
        reader.value(completion)
        reader.close()
        return finished_response(writer)
