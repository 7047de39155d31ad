"""What is carried for a backend: put together from deltas, taken out, joined again; a stranger's data."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.provider_metadata import Carried

ALL: Any = frozenset({"reasoning_details", "thinking_blocks", "extra_content"})


def kept(name: Any, *deltas: Any) -> Any:
    carried = Carried(ALL)
    for delta in deltas:
        assert carried.keep(name, delta)
    return carried.take()


def test_details_grow_by_type_and_index():
    text = {"type": "reasoning.text", "index": 0}
    said = kept(
        "reasoning_details",
        [{**text, "text": "a", "format": None}],
        [{**text, "text": "b"}, {"type": "reasoning.encrypted", "index": 0, "data": "x"}],
        [{**text, "signature": "s", "text": None}],
        [{"type": "reasoning.summary", "index": 1, "summary": "c"}],
    )
    assert said["details"] == [
        {**text, "text": "ab", "format": None, "signature": "s"},
        {"type": "reasoning.encrypted", "index": 0, "data": "x"},
        {"type": "reasoning.summary", "index": 1, "summary": "c"},
    ]


def test_entries_of_one_delta_are_never_one():
    whole = [{"type": "reasoning.text", "text": each} for each in "ab"]
    assert kept("reasoning_details", whole)["details"] == whole
    blocks = [{"type": "thinking", "thinking": each} for each in "ab"]
    assert kept("thinking_blocks", blocks)["blocks"] == blocks


def test_a_block_ends_with_its_signature():
    thinking = {"type": "thinking"}
    said = kept(
        "thinking_blocks",
        [{**thinking, "thinking": "a", "signature": None}],
        [{**thinking, "thinking": "b", "signature": "s"}],
        [{**thinking, "thinking": "c"}],
        [{"type": "redacted_thinking", "data": "x"}],
        [{"type": "redacted_thinking", "data": "y"}],
    )
    assert said["blocks"] == [
        {"type": "thinking", "thinking": "ab", "signature": "s"},
        {"type": "thinking", "thinking": "c"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "redacted_thinking", "data": "y"},
    ]


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"type": value}
    return value


@pytest.mark.parametrize(
    "odd",
    [None, 7, "x", {}, [None], [[]], [{}, {}], [{"type": 7}], [{"type": [], "index": {}}], [{"thinking": 1}]],
)
def test_odd_data_is_no_error(odd: Any):
    carried = Carried(ALL)
    for name in ("reasoning_details", "thinking_blocks"):
        carried.keep(name, odd)
        carried.keep(name, odd)
    carried.keep_extra(odd, "a")
    back = Carried()
    back.join(carried.take(), more=True)
    back.put({"content": None}, [{"id": "a"}], reasoning=True)


def test_what_cannot_be_written_again_is_not_kept():
    carried = Carried(ALL)
    assert not carried.keep("reasoning_details", [deep(200)])
    assert not carried.keep_extra(deep(200), None)
    assert not carried
    assert not Carried(frozenset()).keep("thinking_blocks", [])


def test_taking_empties_it():
    carried = Carried(ALL)
    carried.keep_extra({"a": 1}, None)
    assert carried
    assert carried.take() == {"message": {"a": 1}}
    assert not carried
    assert carried.take() == {}
