"""Moderation: the request option in both directions, and the results in the form of each API."""

import copy
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import TypeAdapter

from chat2response.convert.dialects.chat.answer.whole_answer import read_response, write_response
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES
from tests.support.convert.requests import Json, chat_body, resp_body, to_chat, to_responses
from tests.support.stream_grammar import validate_completion, validate_response
from tests.support.upstream_streams import (
    Events,
    Numbered,
    chat,
    chunk,
    named,
    now,
    response_of,
    sse,
    text,
    to_chunks,
    to_events,
)

OPENAI = PROFILES["openai"]
OPTIONS: Json = {"model": "omni-moderation-latest", "policy": {"input": {"mode": "block"}}}
RESULT: Json = {
    "type": "moderation_result",
    "model": "omni-moderation-latest",
    "flagged": False,
    "categories": {"violence": False},
    "category_scores": {"violence": 0.01},
    "category_applied_input_types": {"violence": ["text"]},
}
FAILED: Json = {"type": "error", "code": "server_error", "message": "It was not judged."}
HERE: Json = {"input": RESULT, "output": FAILED}
"""The form of Responses."""
THERE: Json = {
    "input": {"type": "moderation_results", "model": "omni-moderation-latest", "results": [RESULT]},
    "output": FAILED,
}
"""The form of Chat."""
TWO: Json = {**THERE, "input": {**THERE["input"], "results": [RESULT, {**RESULT, "flagged": True}]}}


def completion(moderation: Any) -> Json:
    message = {"role": "assistant", "content": "Hi", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "moderation": moderation}


def response(moderation: Any, losses: Losses | None = None) -> Any:
    """The response for a moderated completion."""
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    return read_response(completion(moderation), echo, Numbered(), now, losses=losses)


def test_it_is_asked_for_under_the_same_name_both_ways():
    for body, losses in (
        to_responses(chat_body(moderation=OPTIONS)),
        to_chat(resp_body(moderation=OPTIONS), OPENAI),
    ):
        assert (body["moderation"], losses) == (OPTIONS, [])


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"openai"}))
def test_where_nobody_would_do_it_it_is_named_as_lost(profile: str):
    body, losses = to_chat(resp_body(moderation=OPTIONS), PROFILES[profile])
    assert "moderation" not in body
    assert losses == ["moderation; dropped"]


def test_a_whole_answer_says_it_both_ways():
    converted = response(THERE)
    validate_response(converted)
    assert converted["moderation"] == HERE
    assert TypeAdapter(Response).validate_python(converted).to_dict()["moderation"] == HERE
    back: Any = write_response(converted)
    validate_completion(back)
    assert TypeAdapter(ChatCompletion).validate_python(back).to_dict()["moderation"] == THERE


@pytest.mark.parametrize("alone", [True, False])
def test_a_stream_says_it_at_its_end_both_ways(alone: bool):
    """The results come in a chunk of their own, or in the last one with a choice."""
    chunks = chat(*text("Hi"))
    if alone:
        chunks.append({**chunk(), "choices": [], "moderation": THERE})
    else:
        chunks[-1]["moderation"] = THERE
    events = to_events(sse(chunks))
    assert response_of(events)["moderation"] == HERE
    assert all("moderation" not in each["response"] for each in events[:-1] if "response" in each)
    back = [each["moderation"] for each in to_chunks(named(events)) if "moderation" in each]
    assert back == [THERE]


def test_of_several_results_the_first_is_shown_and_the_others_named():
    losses = Losses()
    assert response(TWO, losses)["moderation"] == HERE
    machine = ChatToResponses()
    machine.feed(sse([*chat(*text("Hi")), {**chunk(), "choices": [], "moderation": TWO}]))
    for each in (losses, machine.losses):
        assert [loss.field for loss in each] == ["moderation.input.results"]


def test_an_answer_that_was_not_moderated_says_nothing_of_it():
    assert "moderation" not in response(None)
    assert "moderation" not in write_response(response(None))
    plain = Events().message("Hi").end()
    assert all("moderation" not in each for each in to_chunks(named(plain)))


@pytest.mark.parametrize("odd", [7, "x", [], {}, {"input": None}, {"input": {"results": 7}}])
def test_odd_values_are_no_failure(odd: Any):
    before = copy.deepcopy(odd)
    converted = response(odd)
    assert converted["status"] == "completed"
    assert write_response({**converted, "moderation": odd})["choices"]
    assert odd == before
