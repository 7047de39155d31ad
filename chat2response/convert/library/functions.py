"""The library's functions: each converts one JSON body, a plain dict, from one dialect to the other.

All raise errors.InvalidRequest for an invalid request (`param` is the path of the field),
errors.UpstreamError for an answer that is an error or invalid, and TypeError for an argument that is not a
mapping. They do not change their arguments.
"""

import time
from collections.abc import Mapping
from typing import Any

from chat2response.convert.dialects.chat.answer.answer_decoder import ChatAnswerDecoder
from chat2response.convert.dialects.chat.answer.whole_answer import write_response
from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.answer.whole_answer import read_response as validate_response
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.mappings import copy_mapping
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.profiles import resolve_quirks
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning.reasoning_form import ReasoningForm, reasoning_form
from chat2response.errors import InvalidRequest
from chat2response.wire.chat import ChatCompletion, ChatRequest
from chat2response.wire.ids import Clock, Ids, new_id
from chat2response.wire.responses import Response, ResponsesRequest


def to_responses_request(
    chat_request: Mapping[str, Any],
    conversation_id: str | None = None,
    *,
    previous_response_id: str | None = None,
    losses: Losses | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> ResponsesRequest:
    """Converts a Chat Completions request to a Responses request.

    `conversation_id` and `previous_response_id` override the fields of the body. Fields that Responses cannot
    express are added to `losses`.
    """
    fields = copy_mapping("chat_request", chat_request)
    if conversation_id:
        fields["conversation"] = conversation_id
    if previous_response_id:
        fields["previous_response_id"] = previous_response_id
    collected = losses if losses is not None else Losses()
    try:
        return responses.write_request(chat.read_request(fields), collected, policy=policy)
    except InvalidRequest as error:
        add_hint(error, fields, "chat")
        raise


def to_chat_request(
    responses_request: Mapping[str, Any],
    *,
    losses: Losses | None = None,
    quirks: Quirks | str = OPENAI_COMPATIBLE,
    policy: Policy = DEFAULT_POLICY,
) -> ChatRequest:
    """Converts a Responses request to a Chat Completions request, for a backend with these `quirks`.

    `quirks` may be the name of a profile (`deepseek`). Raises QuirksError, a ValueError, if it is unknown.
    """
    fields = copy_mapping("responses_request", responses_request)
    collected, backend_quirks = losses if losses is not None else Losses(), resolve_quirks(quirks)
    try:
        return chat.write_request(responses.read_request(fields), collected, backend_quirks, policy=policy)
    except InvalidRequest as error:
        add_hint(error, fields, "responses")
        raise


def to_response(
    completion: Mapping[str, Any],
    request: Mapping[str, Any] | None = None,
    *,
    reasoning: ReasoningForm | None = None,
    losses: Losses | None = None,
    quirks: Quirks | str = OPENAI_COMPATIBLE,
    ids: Ids = new_id,
    clock: Clock = time.time,
) -> Response:
    """Converts a Chat completion to a response. `quirks` (or a profile name) are those of the backend.

    `request` is the Responses request that the completion answers. The response echoes its fields and its
    model name, and calls its tools by their own names (pass the `quirks` that the request was sent with).
    Logprobs are included if its `include` requests them, or if there is no request.
    `reasoning` is where reasoning goes; by default to `summary`, which is what clients show.
    """
    fields = copy_mapping("completion", completion)
    request_fields = None if request is None else copy_mapping("request", request)
    body: dict[str, Any] = {"model": fields.get("model") or "", **(request_fields or {})}
    hub = HubRequest(body=body, dialect="responses")  # type: ignore[arg-type]
    backend_quirks = resolve_quirks(quirks)
    form = reasoning_form(hub.body, reasoning)
    decoder = ChatAnswerDecoder.from_request(request_fields, form, ToolMap.of(hub, backend_quirks))
    return decoder.response(fields, EchoedFields.of(hub), ids, clock, losses)


def to_chat_completion(response: Mapping[str, Any], *, model: str | None = None) -> ChatCompletion:
    """Converts a finished response to a Chat completion. `model` replaces the response's model name."""
    return write_response(validate_response(copy_mapping("response", response)), model=model)
