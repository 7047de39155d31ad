"""`CHAT`: Chat Completions."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.client_profiles import ClientProfile
from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.answer.choices import ChatChoices
from chat2response.convert.dialects.chat.answer.stream_encoder import encoder_for
from chat2response.convert.dialects.chat.answer.tap import ChatTap
from chat2response.convert.dialects.chat.answer.whole_answer import write_response
from chat2response.convert.dialects.chat.request.merged_system_messages import backend_for_merged
from chat2response.convert.dialects.chat.request.request import read_request, write_request
from chat2response.convert.dialects.chat.request.usage_option import (
    check_convertible,
    with_hidden_usage,
    with_usage_option,
)
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.dialect import Backend, Dialect, Encoder
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.requests.output_limit import with_limit
from chat2response.errors import UpstreamError
from chat2response.wire.json import encode
from chat2response.wire.json_edit import with_model
from chat2response.wire.request_peek import ChatPeek, peek_chat
from chat2response.wire.responses import Response


class ChatDialect(Dialect):
    """The Chat Completions API, as OpenAI and compatible servers speak it."""

    name = "chat"
    title = "Chat Completions"
    path = "/chat/completions"
    choices = ChatChoices()

    def peek(self, body: bytes) -> ChatPeek:
        return peek_chat(body)

    def read_request(self, fields: Mapping[str, Any]) -> HubRequest:
        return read_request(fields)

    def write_request(
        self, hub: HubRequest, backend: Backend, losses: Losses
    ) -> tuple[bytes, ChatAnswerDecoder]:
        quirks, policy = backend.quirks, backend.policy
        tools = ToolMap.of(hub, quirks, policy)
        fields = write_request(hub, losses, quirks, tools=tools, policy=policy)
        if backend.model is not None:
            fields["model"] = backend.model
        return encode(fields), ChatAnswerDecoder.from_hub(hub, tools, hub.form)

    def decoder(self, backend: Backend, form: ReasoningForm) -> ChatAnswerDecoder:
        return ChatAnswerDecoder(form, backend.quirks)

    def correct(
        self, error: UpstreamError, hub: HubRequest, backend: Backend, fidelity: Fidelity
    ) -> Backend | None:
        return backend_for_merged(error, hub, backend, fidelity)

    def for_backend(self, body: bytes, backend: Backend, losses: Losses) -> bytes:
        return with_model(body, backend.model)

    def with_usage(self, body: bytes, fields: Mapping[str, Any], hub: HubRequest, backend: Backend) -> bytes:
        check_convertible(hub)
        streams = hub.body.get("stream") is True and backend.quirks.usage_in_stream
        return encode(with_usage_option(fields)) if streams else body

    def limited(
        self, fields: Mapping[str, Any], backend: Backend, *, cap: int | None, needs_usage: bool
    ) -> tuple[Mapping[str, Any], bool]:
        if cap is not None:
            fields = with_limit(fields, cap, backend.quirks.max_tokens)
        return with_hidden_usage(fields) if needs_usage else (fields, False)

    def encoder(self, hub: HubRequest, client: ClientProfile, losses: Losses) -> Encoder:
        return encoder_for(hub, losses)

    def write_response(
        self, response: Response, model: str, client: ClientProfile, losses: Losses, *, legacy: bool = False
    ) -> bytes:
        return encode(write_response(response, model=model, losses=losses, legacy=legacy))

    def tap(
        self, *, stored: bool, choices: int, client: ClientProfile, max_item_bytes: int, keep: bool
    ) -> ChatTap:
        return ChatTap(stored=stored, choices=choices, keep=keep)

    def created_ids(self, answer: dict[str, Any], *, stored: bool) -> list[str]:
        id = answer.get("id")
        return [id] if stored and type(id) is str and id else []

    def may_create_ids(self, body: bytes, *, stored: bool) -> bool:
        return stored


CHAT = ChatDialect()
