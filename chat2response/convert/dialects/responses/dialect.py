"""`RESPONSES`: the Responses API."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.client_profiles import ClientProfile
from chat2response.convert.dialects.dialect import Backend, Dialect, Encoder
from chat2response.convert.dialects.references import Reference
from chat2response.convert.dialects.responses.answer.answer_decoder import DECODER, ResponsesAnswerDecoder
from chat2response.convert.dialects.responses.answer.created_ids import mentions_stored_objects, owned_ids
from chat2response.convert.dialects.responses.answer.stream_encoder import ProfiledEncoder, ResponsesEncoder
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.convert.dialects.responses.request.duplicate_references import check_references
from chat2response.convert.dialects.responses.request.id_references import references
from chat2response.convert.dialects.responses.request.request import read_request, write_request
from chat2response.convert.dialects.responses.request.strip_reasoning import strip_reasoning
from chat2response.convert.dialects.responses.request.text_body import backend_for_text, with_text_input
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.requests.output_limit import with_limit
from chat2response.convert.requests.request_body import bad_json, read_object
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, encode
from chat2response.wire.json_edit import with_model
from chat2response.wire.request_peek import ResponsesPeek, peek_responses
from chat2response.wire.responses import Response


class ResponsesDialect(Dialect):
    """The Responses API, as OpenAI and compatible servers speak it."""

    name = "responses"
    title = "Responses"
    path = "/responses"
    stateful = True
    seals_reasoning = True
    stops_at_strings = False
    reports_failure = True

    def peek(self, body: bytes) -> ResponsesPeek:
        return peek_responses(body)

    def read_request(self, fields: Mapping[str, Any]) -> HubRequest:
        return read_request(fields)

    def write_request(
        self, hub: HubRequest, backend: Backend, losses: Losses
    ) -> tuple[bytes, ResponsesAnswerDecoder]:
        fields = write_request(hub, losses, text_input=backend.text_input, policy=backend.policy)
        if backend.model is not None:
            fields["model"] = backend.model
        return encode(fields), DECODER

    def decoder(self, backend: Backend, form: ReasoningForm) -> ResponsesAnswerDecoder:
        return DECODER

    def correct(
        self, error: UpstreamError, hub: HubRequest, backend: Backend, fidelity: Fidelity
    ) -> Backend | None:
        return backend_for_text(error, hub, backend)

    def for_backend(self, body: bytes, backend: Backend, losses: Losses) -> bytes:
        return with_model(with_text_input(body, losses) if backend.text_input else body, backend.model)

    def limited(
        self, fields: Mapping[str, Any], backend: Backend, *, cap: int | None, needs_usage: bool
    ) -> tuple[Mapping[str, Any], bool]:
        return (fields if cap is None else with_limit(fields, cap, "max_output_tokens")), False

    def without_refused_content(self, body: bytes, refusal: bytes, losses: Losses) -> bytes | None:
        return strip_reasoning(body, refusal, losses)

    def references(self, fields: Mapping[str, Any]) -> list[Reference]:
        return references(fields)

    def references_in_body(self, body: bytes) -> list[Reference]:
        fields = read_object(body)
        try:
            check_references(body)
        except JSONError as error:
            raise bad_json(error, body) from None
        return references(fields)

    def encoder(self, hub: HubRequest, client: ClientProfile, losses: Losses) -> Encoder:
        return ResponsesEncoder() if client.is_default else ProfiledEncoder(client)

    def write_response(
        self, response: Response, model: str, client: ClientProfile, losses: Losses, *, legacy: bool = False
    ) -> bytes:
        return encode(response if client.is_default else client.adapt(response))

    def tap(
        self, *, stored: bool, choices: int, client: ClientProfile, max_item_bytes: int, keep: bool
    ) -> ResponsesTap:
        return ResponsesTap(
            stored=stored, sends_error_event=client.sends_error_event, max_item_bytes=max_item_bytes
        )

    def created_ids(self, answer: dict[str, Any], *, stored: bool) -> list[str]:
        return owned_ids(answer, stored=stored)

    def may_create_ids(self, body: bytes, *, stored: bool) -> bool:
        return stored or mentions_stored_objects(body)


RESPONSES = ResponsesDialect()
