"""The counts of containers and values do not depend on how a document is cut."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire.json import decode
from chat2response.wire.json_size import (
    MAX_CONTAINERS,
    SMALL_DOCUMENT,
    VALUES_PER_CONTAINER,
    QuickCounter,
    StructureCounter,
    TooManyContainers,
    TooManyValues,
)

_TEXT = st.text(alphabet='ab"\\[]{},: \né', max_size=12)
_DOCUMENT = st.recursive(
    st.none() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def _containers(value: Any) -> int:
    inner = list(value.values()) if type(value) is dict else value if type(value) is list else None
    return 0 if inner is None else 1 + sum(map(_containers, inner))


def _fits(document: bytes, limit: int, cut: int) -> bool:
    counter = StructureCounter(limit)
    try:
        for at in range(0, len(document), cut):
            counter.feed(document[at : at + cut])
    except TooManyContainers:
        return False
    return True


@given(document=_DOCUMENT, cut=st.integers(1, 30))
def test_what_is_counted_is_what_a_decoder_would_build(document: Any, cut: int) -> None:
    count = _containers(document)
    text = json.dumps([document] * 5).encode()  # more containers than a quarter of its values, mostly

    assert _fits(text, 4 * (5 * count + 1) + len(text), cut)
    if count:
        assert not _fits(text, 5 * count, cut)


@pytest.mark.parametrize("cut", [1, 2, 3, 1000])
@pytest.mark.parametrize("inside", ["[{,", '\\"[', "\\\\", '\\\\\\"[{,,,,,,', '"' * 3 + "[", "\\" * 9 + '"['])
def test_what_stands_in_strings_does_not_count(inside: str, cut: int) -> None:
    document = json.dumps({inside: inside * 50}).encode()

    assert _fits(document, 1, cut)


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_one_container_too_many_is_refused(cut: int) -> None:
    assert _fits(b'["a[{",[],{}]', 3, cut)
    assert not _fits(b'["a[{",[],{}]', 2, cut)


def test_values_are_bounded_too() -> None:
    """A million numbers are a million objects, in a single array."""
    counter = StructureCounter(2)
    counter.feed(b"[" + b",".join([b"1"] * 2 * VALUES_PER_CONTAINER) + b"]")
    with pytest.raises(TooManyValues) as refused:
        counter.feed(b",1")
    assert refused.value.limit == 2 * VALUES_PER_CONTAINER


def test_a_small_document_cannot_have_more_and_is_not_counted() -> None:
    fullest = b"[" * (SMALL_DOCUMENT // 2) + b"]" * (SMALL_DOCUMENT // 2)

    assert fullest.count(b"[") == MAX_CONTAINERS
    assert _fits(fullest, MAX_CONTAINERS, SMALL_DOCUMENT)
    assert not _fits(b"[" + fullest + b"]", MAX_CONTAINERS, SMALL_DOCUMENT)


def test_a_long_text_with_few_brackets_needs_no_second_count() -> None:
    text = b'{"a": "' + b"word " * SMALL_DOCUMENT + b'"}'
    assert QuickCounter(text, MAX_CONTAINERS).count(0, len(text))


def test_the_quick_count_never_clears_what_has_too_much() -> None:
    for inside, limit in ((b"[],{},[]", 3), (b"1," * 9, 2)):
        document = b"[" + inside + b"1]"
        marks = QuickCounter(document, limit)
        assert not (marks.count(0, 5) and marks.count(5, len(document)))


@pytest.mark.parametrize("document", [b'"', b"\\", b'{"a', b"]]]", b"\\\\\\", b""])
def test_what_is_no_json_is_left_to_the_decoder(document: bytes) -> None:
    StructureCounter(1).feed(document)
    with pytest.raises(ValueError):
        decode(document)
