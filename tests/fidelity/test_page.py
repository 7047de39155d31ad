"""`docs/fidelity.md` matches the converters, and has a row for every field that they or the SDK have."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as ChatParams
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming as ResponsesParams

from chat2response.convert.dialects.chat.history import conversation, message_reader
from chat2response.convert.dialects.chat.request import request_builder, request_fields_in
from chat2response.convert.dialects.responses.request import request as responses
from tests.fidelity.measure import Probe, fate
from tests.fidelity.page import CHAT, PAGE, page, toward_responses
from tests.fidelity.probes import CHAT_FIELDS, CHAT_MESSAGES, ITEMS, RESPONSES_FIELDS, TOOLS

_PLAIN = {"model", "messages"}  # of every minimal body


def test_the_page_is_what_the_converters_do() -> None:
    assert PAGE.read_text("utf-8") == page(), "run make fidelity"


def test_no_row_is_left_without_a_reason() -> None:
    """A field that is not sent and is no loss has a note (law 4, nothing is dropped in silence)."""
    assert [line for line in page().splitlines() if line.endswith("| not sent |")] == []


def missing(names: Iterable[str], probes: Sequence[Probe]) -> set[str]:
    """The names that have no row."""
    labels = {label for probe in probes for label in _names(probe)}
    return {name for name in names if name not in labels}


def _names(probe: Probe) -> Iterator[str]:
    """The names that a row covers: the first word of its label, its fields and its item types."""
    yield probe.label.split(",")[0].split(".")[0]
    yield from probe.fields
    yield from (item["type"] for item in probe.fields.get("input", ()) if "type" in item)


def kinds(union: Any) -> set[str]:
    """The values of `type` in a union type of the SDK."""
    names: set[str] = set()
    for each in get_args(union):
        hint = get_type_hints(each).get("type")
        while hint is not None and get_origin(hint) is not Literal:
            hint = next(iter(get_args(hint)), None)
        names.update(get_args(hint))
    return names - {None}


def test_every_field_of_a_chat_request_has_a_row() -> None:
    known = {*get_type_hints(ChatParams), *request_fields_in.READERS, *responses._LEAVE} - _PLAIN
    assert missing(known, CHAT_FIELDS) == set()


def test_every_field_of_a_responses_request_has_a_row() -> None:
    known = {*get_type_hints(ResponsesParams), *request_builder.WRITERS, *responses._CHECKS} - {
        "model",
        "tools",
    }
    assert missing(known, RESPONSES_FIELDS) == set()


def test_every_output_of_a_call_has_a_row_of_its_own() -> None:
    """The row of the call does not cover its output."""
    outputs = {kind for kind in kinds(ResponseInputItemParam) if kind.endswith("_output")}
    assert outputs - {probe.label for probe in ITEMS} == set()


@pytest.mark.parametrize("probe", [each for each in CHAT_FIELDS if each.does], ids=lambda each: each.label)
def test_what_the_engine_is_said_to_do_is_seen_to_be_done(probe: Probe) -> None:
    """Such a row fails if the engine ignores the field."""
    assert str(fate(probe, toward_responses, CHAT)).startswith("emulated: ")
    unheeded = replace(probe, fields={"metadata": {"a": "b"}})
    with pytest.raises(AssertionError, match="does not do"):
        fate(unheeded, toward_responses, CHAT)


def test_every_role_item_and_tool_has_a_row() -> None:
    assert missing(message_reader._READERS, CHAT_MESSAGES) == set()
    assert missing({*kinds(ResponseInputItemParam), *conversation._ITEMS}, ITEMS) == set()
    assert missing(kinds(ToolParam), TOOLS) == set()
