"""The fields that a response repeats from its request, and the keys that are always present."""

from typing import Any

import pytest

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from tests.support.stream_grammar import validate_response


def resource(*, stored: bool = False, **body: Any) -> dict[str, Any]:
    hub = HubRequest(body=body, dialect="responses")  # type: ignore[arg-type]
    response: dict[str, Any] = dict(EchoedFields.of(hub, store=stored).response("resp_1", 7))
    validate_response(response)
    return response


def test_a_bare_request_is_answered_with_every_key():
    response = resource(model="m")
    assert response["model"] == "m"
    assert (response["id"], response["created_at"], response["status"]) == ("resp_1", 7, "in_progress")
    assert response["output"] == []
    assert response["store"] is False
    assert response["service_tier"] == "default"
    assert response["tool_choice"] == "auto"
    assert response["text"] == {"format": {"type": "text"}}
    assert response["reasoning"] == {"effort": None, "summary": None}
    for absent in ("user", "prompt", "conversation"):
        assert absent not in response


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instructions", "Be brief."),
        ("metadata", {"a": "b"}),
        ("temperature", 0.2),
        ("top_p", 0.5),
        ("presence_penalty", 0.1),
        ("frequency_penalty", 0.1),
        ("top_logprobs", 3),
        ("parallel_tool_calls", False),
        ("previous_response_id", "resp_0"),
        ("truncation", "auto"),
        ("max_output_tokens", 100),
        ("max_tool_calls", 3),
        ("background", True),
        ("service_tier", "flex"),
        ("safety_identifier", "s"),
        ("prompt_cache_key", "k"),
        ("user", "u"),
        ("prompt_cache_retention", "24h"),
    ],
)
def test_fields_are_repeated(name, value):
    fields: dict[str, Any] = {name: value}
    assert resource(**fields)[name] == value
    absent: dict[str, Any] = {name: None}
    assert resource(**absent).get(name) == resource().get(name)


def test_objects_are_filled_up():
    assert resource(reasoning={"effort": "low"})["reasoning"] == {"effort": "low", "summary": None}
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    assert resource(text={"format": schema})["text"] == {"format": schema}
    assert resource(text={"verbosity": "low"})["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert resource(text={"format": None, "verbosity": None})["text"] == {"format": {"type": "text"}}


def test_tools_are_repeated_with_every_key():
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    response = resource(tools=[tool, {"type": "web_search"}], tool_choice={"type": "function", "name": "f"})
    odd = HubRequest(body={"tools": ["odd"]}, dialect="responses")  # type: ignore[list-item]
    assert EchoedFields.of(odd).fields["tools"] == ["odd"]
    assert response["tools"] == [{**tool, "description": None, "strict": None}, {"type": "web_search"}]
    assert response["tool_choice"] == {"type": "function", "name": "f"}


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_an_object(conversation):
    assert resource(conversation=conversation)["conversation"] == {"id": "conv_1"}


def test_store_is_what_is_done_not_what_was_asked():
    assert resource(store=True)["store"] is False
    assert resource(store=True, stored=True)["store"] is True


def test_one_answer_does_not_change_the_next():
    first = resource(model="m")
    first["metadata"]["a"] = "b"
    first["tools"].append({})
    first["output"].append({})
    first["text"]["verbosity"] = "low"
    second = resource(model="m")
    assert second["metadata"] == {}
    assert second["tools"] == []
    assert second["output"] == []
    assert second["text"] == {"format": {"type": "text"}}
