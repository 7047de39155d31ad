"""Structured output for backends that lack it: prose never replaces it silently (`pitfalls` row 14)."""

from typing import Any

import pytest

from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.requests import USER, Json, refused, resp_body, to_chat

SCHEMA = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}
WANTED: Json = {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
OBJECT: Json = {"type": "json_object"}


def sent(form: Json, *known: Any, **fields: Any) -> tuple[Json, list[str]]:
    """The body for a backend that accepts these formats, and the losses."""
    return to_chat(
        resp_body(input=[USER], text={"format": form}, **fields), Quirks(response_formats=frozenset(known))
    )


@pytest.mark.parametrize("form", [WANTED, OBJECT, {"type": "text"}, {"type": "grammar", "grammar": "x"}])
def test_a_format_that_is_taken_goes_as_it_is(form: Json) -> None:
    body, losses = sent(form, "text", "json_object", "json_schema")
    assert body["response_format"]["type"] == form["type"]
    assert losses == [] and len(body["messages"]) == 1


@pytest.mark.parametrize("form", [[], "json_object", {"type": []}, {}])
def test_what_is_no_format_is_the_upstreams_to_judge(form: Any) -> None:
    """A Responses client that uses Chat's field name."""
    body, losses = to_chat(resp_body(response_format=form), Quirks(response_formats=frozenset(("text",))))
    assert (body["response_format"], losses) == (form, [])


def test_a_format_under_chats_name_is_suited_too() -> None:
    quirks = Quirks(response_formats=frozenset(("text", "json_object")))
    refused(
        lambda body: to_chat(body, quirks),
        resp_body(response_format={"type": "json_schema"}),
        "response_format.json_schema",
    )


def test_row_14_a_schema_becomes_json_mode_and_an_instruction() -> None:
    body, losses = sent(WANTED, "text", "json_object", instructions="Be brief.")
    assert body["response_format"] == {"type": "json_object"}
    system = body["messages"][0]["content"]
    assert system.startswith("Be brief.\n\n") and "JSON" in system
    assert system.endswith('{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}}}')
    assert body["messages"][1:] == [USER]
    assert losses == ["text.format; emulated: JSON mode and the schema in an instruction"]


@pytest.mark.parametrize("form", [WANTED, OBJECT])
def test_without_any_mode_it_is_an_instruction(form: Json) -> None:
    body, losses = sent({**form, **({"description": "Both."} if form is WANTED else {})}, "text")
    assert "response_format" not in body
    assert [message["role"] for message in body["messages"]] == ["developer", "user"]
    system = body["messages"][0]["content"]
    assert system.startswith("Answer with one JSON object")
    assert system.endswith("\n\nBoth.") is (form is WANTED)
    assert losses == ["text.format; emulated: an instruction"]


def test_json_mode_is_a_schema_where_there_are_schemas_only() -> None:
    body, losses = sent(OBJECT, "text", "json_schema")
    assert body["response_format"]["json_schema"] == {"name": "object", "schema": {"type": "object"}}
    assert losses == [] and len(body["messages"]) == 1


def test_the_instruction_stands_where_it_stood_in_the_turn_before() -> None:
    """The prompt cache needs it: a longer history extends the messages."""
    first, _ = sent(WANTED, "text", "json_object")
    more = [USER, {"role": "assistant", "content": "{}"}, USER]
    body = resp_body(input=more, text={"format": WANTED})
    second, _ = to_chat(body, Quirks(response_formats=frozenset(("text", "json_object"))))
    assert second["messages"][:2] == first["messages"]
    assert {key: each for key, each in second.items() if key != "messages"} == {
        key: each for key, each in first.items() if key != "messages"
    }
