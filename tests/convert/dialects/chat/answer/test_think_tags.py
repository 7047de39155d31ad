"""Reasoning between tags in the text: split off wherever it is cut, in streams and whole answers."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.library.functions import to_response
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from tests.support.upstream_streams import (
    call,
    chat,
    checked_events,
    chunk,
    citation,
    response_of,
    sse,
    text,
    token,
)

TAGS = Quirks(think_tags=(("<think>", "</think>"), ("◁think▷", "◁/think▷")))
OPEN = Quirks(think_tags=(("<think>", "</think>"),), think_open=True)

CASES: dict[str, tuple[str, Quirks, list[tuple[str, str]]]] = {
    # what the model writes, and the runs that result
    "a block": ("<think>Hm.</think>Yes.", TAGS, [("reasoning", "Hm."), ("text", "Yes.")]),
    "white space around": (
        " \n<think>\n Hm.\n</think>\n\nYes. ",
        TAGS,
        [("reasoning", "Hm.\n"), ("text", "Yes. ")],
    ),
    "two blocks": (
        "<think>a</think>\n<think>b</think>c",
        TAGS,
        [("reasoning", "a"), ("reasoning", "b"), ("text", "c")],
    ),
    "another pair": ("◁think▷Hm◁/think▷Yes", TAGS, [("reasoning", "Hm"), ("text", "Yes")]),
    "an empty block": ("<think>\n\n</think>\n\nYes", TAGS, [("text", "Yes")]),
    "nothing after it": ("<think>Hm.</think>\n", TAGS, [("reasoning", "Hm.")]),
    "no closing tag": ("<think>Hm. </thin", TAGS, [("reasoning", "Hm. </thin")]),
    "no tag": ("Yes, <think> is a tag.</think>", TAGS, [("text", "Yes, <think> is a tag.</think>")]),
    "nearly a tag": (" <thinker> x", TAGS, [("text", " <thinker> x")]),
    "cut off in a tag": ("<thi", TAGS, [("text", "<thi")]),
    "white space alone": (" \n", TAGS, [("text", " \n")]),
    "tags within": (
        "<think>a </th <think> b</think>c",
        TAGS,
        [("reasoning", "a </th <think> b"), ("text", "c")],
    ),
    "the other pair's end": (
        "<think>a◁/think▷b</think>c",
        TAGS,
        [("reasoning", "a◁/think▷b"), ("text", "c")],
    ),
    "without the opening tag": ("Hm.</think>\n\nYes.", OPEN, [("reasoning", "Hm."), ("text", "Yes.")]),
    "with it all the same": ("<think>Hm.</think>Yes.", OPEN, [("reasoning", "Hm."), ("text", "Yes.")]),
    "no end either": ("Hm.", OPEN, [("reasoning", "Hm.")]),
    "cut off at its beginning": ("<thi", OPEN, [("reasoning", "<thi")]),
    "off": ("<think>Hm.</think>Yes.", Quirks(), [("text", "<think>Hm.</think>Yes.")]),
}


def runs(response: dict[str, Any]) -> list[tuple[str, str]]:
    """The runs of the items, in order; the reasoning of one item is one run."""
    result = []
    for item in response["output"]:
        for key in ("summary", "content"):
            text = "".join(part["text"] for part in item.get(key) or ())
            if text:
                result.append(("text" if item["type"] == "message" else "reasoning", text))
    return result


def streamed(
    deltas: Sequence[str], quirks: Quirks, form: ReasoningForm | None = None, size: int = 0
) -> dict[str, Any]:
    """The response of a stream of these deltas, read in pieces of `size` bytes (0: at once)."""
    data = sse(chat(*text(*deltas)))
    machine = ChatToResponses({"model": "m"}, quirks=quirks, reasoning=form)
    reads = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    return response_of(checked_events(b"".join([machine.feed(read) for read in reads]) + machine.close()))


def joined(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Joins neighbouring runs of one kind: the end of a block is no event."""
    whole: list[tuple[str, str]] = []
    for kind, run in pieces:
        if whole and whole[-1][0] == kind:
            whole[-1] = (kind, whole[-1][1] + run)
        else:
            whole.append((kind, run))
    return whole


@pytest.mark.parametrize("name", CASES)
def test_a_delta_a_character_and_one_delta_say_the_same(name: str):
    written, quirks, expected = CASES[name]
    for deltas in ([written], list(written)):
        assert joined(runs(streamed(deltas, quirks))) == joined(expected)


@pytest.mark.parametrize("name", CASES)
def test_a_whole_answer_says_what_the_stream_says(name: str):
    written, quirks, expected = CASES[name]
    choice = {"index": 0, "message": {"content": written}, "finish_reason": "stop"}
    response: Any = to_response({"model": "m", "choices": [choice]}, quirks=quirks)
    assert joined(runs(response)) == joined(expected)
    assert response["status"] == "completed"


@given(st.data())
def test_row_43_chunking_does_not_matter(data: st.DataObject):
    written, quirks, expected = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(written) - 1)), max_size=6)))
    deltas = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert joined(runs(streamed(deltas, quirks))) == joined(expected)


def test_the_bytes_may_be_cut_anywhere():
    written, quirks, expected = CASES["another pair"]
    assert joined(runs(streamed(list(written), quirks, size=1))) == expected


def test_the_form_is_that_of_other_reasoning():
    shown = streamed(["<think>Hm.</think>Yes."], TAGS, "summary")
    assert shown["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    hidden = streamed(["<think>Hm.</think>Yes."], TAGS, "hide")
    assert [item["type"] for item in hidden["output"]] == ["message"]


def test_what_follows_ends_the_text():
    data = sse(chat(*text("<think>Hm.</think>", "\n"), *call("{}"), finish="tool_calls"))
    machine = ChatToResponses({"model": "m"}, quirks=TAGS)
    response = response_of(checked_events(machine.feed(data) + machine.close()))
    assert [item["type"] for item in response["output"]] == ["reasoning", "function_call"]


def test_a_refusal_and_reasoning_of_its_own_field_find_the_text_said():
    first = chunk({"content": "<thi"})
    for second, kinds in (
        ({"refusal": "No."}, ["message"]),
        ({"reasoning_content": "Hm."}, ["message", "reasoning"]),
    ):
        machine = ChatToResponses({"model": "m"}, quirks=TAGS)
        data = sse(chat(first, chunk(second)))
        response = response_of(checked_events(machine.feed(data) + machine.close()))
        assert [item["type"] for item in response["output"]] == kinds
        assert response["output"][0]["content"][0]["text"] == "<thi"


def test_citations_count_from_the_answer():
    where = citation(19 + 4, 19 + 5)
    machine = ChatToResponses({"model": "m"}, quirks=TAGS)
    data = sse(chat(*text("<think>Hmm.</think>", "See a."), chunk({"annotations": [where]})))
    response = response_of(checked_events(machine.feed(data) + machine.close()))
    cited = response["output"][1]["content"][0]["annotations"]
    assert [(each["start_index"], each["end_index"]) for each in cited] == [(4, 5)]
    machine = ChatToResponses({"model": "m"}, quirks=TAGS)
    data = sse(chat(*text("<think>Hmm.</think>", "See a."), chunk({"annotations": [citation(8, 9)]})))
    checked_events(machine.feed(data) + machine.close())
    assert [loss.field for loss in machine.losses] == ["message.annotations"]


def test_probabilities_stay_with_the_text():
    tokens = [token("<think>"), token("a"), token("</think>"), token("Yes")]
    chunks = [
        chunk({"content": each["token"]}, logprobs={"content": [each], "refusal": None}) for each in tokens
    ]
    machine = ChatToResponses({"model": "m", "include": [LOGPROBS]}, quirks=TAGS)
    response = response_of(checked_events(machine.feed(sse(chat(*chunks))) + machine.close()))
    assert [each["token"] for each in response["output"][1]["content"][0]["logprobs"]] == ["Yes"]
    assert [loss.field for loss in machine.losses] == ["logprobs"]
