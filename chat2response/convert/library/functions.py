"""The library's functions: one JSON body of a dialect in, one of the other out, as plain dicts.

All raise errors.InvalidRequest (its `param` is the path of the field that cannot be taken) for a request,
errors.UpstreamError for an answer that is an error or none at all, TypeError for what is no mapping. Nothing
is changed in what is passed in.
"""

import time
from collections.abc import Mapping
from typing import Any

from chat2response.convert.dialects.chat.answer.answer_decoder import Reading
from chat2response.convert.dialects.chat.answer.completion import write_response
from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses import request as responses
from chat2response.convert.dialects.responses.response import read_response as checked
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.mappings import fields_of
from chat2response.convert.library.streams import reasoning_form
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy, ReasoningForm
from chat2response.convert.quirks.profiles import quirks_of
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
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
    """A Chat Completions request as a Responses request.

    `conversation_id` and `previous_response_id` are set on the result, over what the body says. What could
    not cross is added to `losses`.
    """
    fields = fields_of("chat_request", chat_request)
    if conversation_id:
        fields["conversation"] = conversation_id
    if previous_response_id:
        fields["previous_response_id"] = previous_response_id
    lost = losses if losses is not None else Losses()
    try:
        return responses.write_request(chat.read_request(fields), lost, policy=policy)
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
    """A Responses request as a Chat Completions request, for a backend with these `quirks`.

    A text is the name of a profile (`deepseek`). Raises QuirksError, a ValueError, for one that is not known.
    """
    fields = fields_of("responses_request", responses_request)
    lost, known = losses if losses is not None else Losses(), quirks_of(quirks)
    try:
        return chat.write_request(responses.read_request(fields), lost, known, policy=policy)
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
    """A Chat completion as a response, from a backend with these `quirks` (or this profile).

    `request` is the Responses request that it answers: it is echoed, gives the model's name, and its tools
    get their own calls back (`quirks` are those it was sent with). Logprobs are shown where its `include`
    asks for them, or where there is no request.
    `reasoning` says where reasoning goes; by default to `summary`, which is what clients show.
    """
    fields = fields_of("completion", completion)
    asked = None if request is None else fields_of("request", request)
    body: dict[str, Any] = {"model": fields.get("model") or "", **(asked or {})}
    hub = HubRequest(body=body, dialect="responses")  # type: ignore[arg-type]
    known = quirks_of(quirks)
    form = reasoning_form(hub, reasoning)
    reading = Reading.to(asked, form, ToolMap.of(hub, known))
    return reading.response(fields, EchoedFields.of(hub), ids, clock, losses)


def to_chat_completion(response: Mapping[str, Any], *, model: str | None = None) -> ChatCompletion:
    """A finished response as a Chat completion; `model` replaces the name in it."""
    return write_response(checked(fields_of("response", response)), model=model)
