"""ProviderMetadata: collected from deltas, taken, joined again; whatever the upstream sends."""

from typing import Any

import pytest

from chat2response.convert.reasoning.provider_metadata import ProviderMetadata

ALL: Any = frozenset({"reasoning_details", "thinking_blocks", "extra_content"})


def collected(name: Any, *deltas: Any) -> Any:
    metadata = ProviderMetadata(ALL)
    for delta in deltas:
        assert metadata.add(name, delta)
    return metadata.take()


def test_details_grow_by_type_and_index():
    text = {"type": "reasoning.text", "index": 0}
    taken = collected(
        "reasoning_details",
        [{**text, "text": "a", "format": None}],
        [{**text, "text": "b"}, {"type": "reasoning.encrypted", "index": 0, "data": "x"}],
        [{**text, "signature": "s", "text": None}],
        [{"type": "reasoning.summary", "index": 1, "summary": "c"}],
    )
    assert taken["details"] == [
        {**text, "text": "ab", "format": None, "signature": "s"},
        {"type": "reasoning.encrypted", "index": 0, "data": "x"},
        {"type": "reasoning.summary", "index": 1, "summary": "c"},
    ]


def test_entries_of_one_delta_are_never_one():
    whole = [{"type": "reasoning.text", "text": each} for each in "ab"]
    assert collected("reasoning_details", whole)["details"] == whole
    blocks = [{"type": "thinking", "thinking": each} for each in "ab"]
    assert collected("thinking_blocks", blocks)["blocks"] == blocks


def test_a_block_ends_with_its_signature():
    thinking = {"type": "thinking"}
    taken = collected(
        "thinking_blocks",
        [{**thinking, "thinking": "a", "signature": None}],
        [{**thinking, "thinking": "b", "signature": "s"}],
        [{**thinking, "thinking": "c"}],
        [{"type": "redacted_thinking", "data": "x"}],
        [{"type": "redacted_thinking", "data": "y"}],
    )
    assert taken["blocks"] == [
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
    metadata = ProviderMetadata(ALL)
    for name in ("reasoning_details", "thinking_blocks"):
        metadata.add(name, odd)
        metadata.add(name, odd)
    metadata.add_extra(odd, "a")
    back = ProviderMetadata()
    back.join(metadata.take(), more=True)
    back.put({"content": None}, [{"id": "a"}], reasoning=True)


def test_what_cannot_be_written_again_is_not_kept():
    metadata = ProviderMetadata(ALL)
    assert not metadata.add("reasoning_details", [deep(200)])
    assert not metadata.add_extra(deep(200), None)
    assert not metadata
    assert not ProviderMetadata(frozenset()).add("thinking_blocks", [])


def test_taking_empties_it():
    metadata = ProviderMetadata(ALL)
    metadata.add_extra({"a": 1}, None)
    assert metadata
    assert metadata.take() == {"message": {"a": 1}}
    assert not metadata
    assert metadata.take() == {}
