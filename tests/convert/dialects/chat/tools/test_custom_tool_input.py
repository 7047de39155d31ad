"""The input of a custom tool is decoded from function arguments (`pitfalls` row 2)."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.tools.custom_tool_input import CustomToolInputDecoder

PATCH = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\n"


def unwrapped(*pieces: str, lenient: bool = False) -> tuple[str, bool]:
    """The decoded input, and whether it was truncated."""
    unwrapper = CustomToolInputDecoder(lenient=lenient)
    decoded = "".join([unwrapper.feed(piece) for piece in pieces]) + unwrapper.close()
    return decoded, unwrapper.truncated


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


@given(
    st.text(st.sampled_from('a\n"\\/\u20ac\u2028\U0001f600`{}'), max_size=12),
    st.booleans(),
    st.lists(st.integers(0, 99)),
)
def test_row_2_any_input_comes_out_however_its_arguments_are_cut(
    text: str, ascii_only: bool, places: list[int]
):
    """Row 2: escapes may be cut anywhere, even inside a surrogate pair."""
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    assert unwrapped(*cut(arguments, places)) == (text, False)


ODD = [
    '{"input": "a',
    '{"input": "a\\u26',
    '{"inp',
    '{"input"',
    '{"why": "x", "input": "k"}',
    '{"input": {"a": 1}}',
    '{"input": "\\ud83d"}',
    '{"input": "\\q"}',
    '{ "input" : "a" , "b": 1 }',
    "{ const x = 1; }",
    '"use strict"; x()',
    PATCH,
    json.dumps({"patch": PATCH}),
    json.dumps({"input": f"```patch\n{PATCH}```"}),
    f"```\n{PATCH}```",
]


@given(st.sampled_from(ODD), st.booleans(), st.lists(st.integers(0, 99)))
def test_what_models_write_instead_is_the_same_however_it_is_cut(text: str, lenient: bool, places: list[int]):
    assert unwrapped(*cut(text, places), lenient=lenient) == unwrapped(text, lenient=lenient)


@pytest.mark.parametrize(
    ("arguments", "decoded"),
    [
        ("", ""),
        ("{}", ""),
        (PATCH, PATCH),
        ("  hi", "hi"),
        ('"hi"', "hi"),
        ('"use strict"; x()', '"use strict"; x()'),
        ("{ const x = 1; }", "{ const x = 1; }"),
        ('{"code": "x"}', '{"code": "x"}'),
        ('{"why": "x", "input": "k"}', "k"),
        ('{"input": {"a": 1}}', '{"a":1}'),
        ('{"input": "a\\ud83d b"}', "a\N{REPLACEMENT CHARACTER} b"),
        ('{"input": "\\d\\u12xy"}', "\\d\\u12xy"),
        ('{"input": "a\nb"}', "a\nb"),
    ],
)
def test_what_is_not_as_it_should_be_is_taken_as_it_can_only_be_meant(arguments: str, decoded: str):
    assert unwrapped(arguments) == (decoded, False)


@pytest.mark.parametrize(
    ("arguments", "decoded"),
    [("{", ""), ('{"inp', ""), ('{"input": ', ""), ('{"input": "ab', "ab"), ('{"input": "a\\', "a")],
)
def test_row_2_arguments_that_break_off_are_known_as_such(arguments: str, decoded: str):
    """Row 2: a truncated patch must not be applied."""
    assert unwrapped(arguments) == (decoded, True)


def test_row_2_only_a_tool_that_models_know_by_heart_is_freed_of_its_usual_wrappers():
    """Row 2: `patch` instead of `input`, and Markdown fences, are accepted."""
    for wrapped in (json.dumps({"patch": PATCH}), json.dumps({"input": f"```diff\n{PATCH}```"})):
        assert unwrapped(wrapped, lenient=True) == (PATCH, False)
    assert unwrapped(json.dumps({"patch": PATCH})) == (json.dumps({"patch": PATCH}), False)
    assert unwrapped(json.dumps({"input": "```\nx\n```"})) == ("```\nx\n```", False)
    assert unwrapped(json.dumps({"input": "``x"}), lenient=True) == ("``x", False)


def test_the_input_is_whole_with_its_closing_quote():
    unwrapper = CustomToolInputDecoder()
    assert unwrapper.feed('{"input": "a') == "a"
    assert not unwrapper.complete
    assert unwrapper.feed('b"') == "b"
    assert unwrapper.complete
    unwrapper.feed("}")
    assert not unwrapper.has_extra_members
    unwrapper.feed(', "b": 1}')
    assert unwrapper.has_extra_members
