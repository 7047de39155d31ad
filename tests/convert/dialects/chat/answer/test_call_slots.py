"""CallSlots and CallEntries: everything that backends do with index, id and name."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.answer.call_entries import CallEntries
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.response_builder import ResponseBuilder
from tests.support.upstream_streams import Numbered, now

Entry = tuple[int | None, str, str, str]  # index, id, name, arguments


def calls(*chunks: list[Entry]) -> list[tuple[str, str]]:
    """Each call's name and arguments, in order, after these chunks."""
    return result(*chunks)[0]


def result(*chunks: list[Entry]) -> tuple[list[tuple[str, str]], list[str], str]:
    """Each call's name and arguments, the effects of the losses, and the status of the turn."""
    losses = Losses()
    writer = ResponseBuilder(
        EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now, losses
    )
    entries = CallEntries(writer, lambda extra, call_id: None)
    for chunk in chunks:
        tool_calls = [
            {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
            for index, call_id, name, arguments in chunk
        ]
        entries.read(tool_calls, None)
    ended = entries.close(Outcome())
    output = writer.finish(None, ended)["output"]
    function_calls = [(item["name"], item["arguments"]) for item in output if item["type"] == "function_call"]
    return function_calls, [loss.effect for loss in losses], ended.status


TWO = [("f", '{"a":1}'), ("g", '{"b":2}')]


@pytest.mark.parametrize(
    "chunks",
    {
        "by the book": (
            [(0, "A", "f", "")],
            [(0, "", "", '{"a":')],
            [(0, "", "", "1}")],
            [(1, "B", "g", "")],
            [(1, "", "", '{"b":2}')],
        ),
        "interleaved": (
            [(0, "A", "f", ""), (1, "B", "g", "")],
            [(0, "", "", '{"a":')],
            [(1, "", "", '{"b":')],
            [(0, "", "", "1}"), (1, "", "", "2}")],
        ),
        "name and arguments as two entries of a chunk": (
            [(0, "A", "f", ""), (0, "", "", '{"a":1}')],
            [(1, "B", "g", ""), (1, "", "", '{"b":2}')],
        ),
        "the first index is 1": (
            [(1, "A", "f", '{"a":1}')],
            [(2, "B", "g", '{"b":2}')],
        ),
        "the id with every piece": (
            [(0, "A", "f", "")],
            [(0, "A", "", '{"a":')],
            [(0, "A", "", "1}")],
            [(1, "B", "g", "")],
            [(1, "B", "", '{"b":2}')],
        ),
        "id and name with every piece": (
            [(0, "A", "f", '{"a":')],
            [(0, "A", "f", "1}")],
            [(0, "A", "f", "")],
            [(1, "B", "g", '{"b":')],
            [(1, "B", "g", "2}")],
        ),
        "a new id with every piece": (
            [(0, "A1", "f", "")],
            [(0, "A2", "", '{"a":')],
            [(0, "A3", "", "1}")],
            [(1, "B1", "g", '{"b":2}')],
        ),
        "the id comes late": (
            [(0, "", "f", "")],
            [(0, "A", "", '{"a":1}')],
            [(1, "", "g", '{"b":')],
            [(1, "B", "", "2}")],
        ),
        "the name comes late": (
            [(0, "A", "", "")],
            [(0, "", "f", '{"a":1}')],
            [(1, "B", "", '{"b":')],
            [(1, "", "g", "2}")],
        ),
        "all at index 0": (
            [(0, "A", "f", '{"a":1}')],
            [(0, "B", "g", '{"b":2}')],
        ),
        "all at index 0, the first with an id": (
            [(0, "A", "f", '{"a":1}')],
            [(0, "", "g", '{"b":2}')],
        ),
        "all at index 0, in one chunk": ([(0, "A", "f", '{"a":1}'), (0, "B", "g", '{"b":2}')],),
        "all at index 0, in pieces": (
            [(0, "A", "f", "")],
            [(0, "", "", '{"a":')],
            [(0, "", "", "1}")],
            [(0, "B", "g", "")],
            [(0, "", "", '{"b":2}')],
        ),
        "all at index 0, interleaved by id": (
            [(0, "A", "f", '{"a":')],
            [(0, "B", "g", '{"b":')],
            [(0, "A", "", "1}")],
            [(0, "B", "", "2}")],
        ),
        "all at index 0, without ids": (
            [(0, "", "f", '{"a":1}')],
            [(0, "", "g", '{"b":2}')],
        ),
        "all at index 0, without ids, in one chunk": ([(0, "", "f", '{"a":1}'), (0, "", "g", '{"b":2}')],),
        "no index": (
            [(None, "A", "f", "")],
            [(None, "", "", '{"a":')],
            [(None, "", "", "1}")],
            [(None, "B", "g", '{"b":2}')],
        ),
        "no index, the id with every piece": (
            [(None, "A", "f", '{"a":')],
            [(None, "B", "g", '{"b":')],
            [(None, "A", "", "1}")],
            [(None, "B", "", "2}")],
        ),
        "no index, id and name with every piece": (
            [(None, "A", "f", '{"a":')],
            [(None, "A", "f", "1}")],
            [(None, "B", "g", '{"b":2}')],
            [(None, "B", "g", "")],
        ),
        "no index, no id": (
            [(None, "", "f", '{"a":')],
            [(None, "", "", "1}")],
            [(None, "", "g", '{"b":2}')],
        ),
        "no index, no id, the name with every piece": (
            [(None, "", "f", '{"a":')],
            [(None, "", "f", "1}")],
            [(None, "", "g", '{"b":')],
            [(None, "", "g", "2}")],
        ),
        "no index, no id, in one chunk": ([(None, "", "f", '{"a":1}'), (None, "", "g", '{"b":2}')],),
        "no index, the id comes late": (
            [(None, "", "f", "")],
            [(None, "A", "", '{"a":1}')],
            [(None, "B", "g", '{"b":2}')],
        ),
        "no index, id and name come late": (
            [(None, "", "", '{"a":')],
            [(None, "A", "f", "1}")],
            [(None, "B", "g", '{"b":2}')],
        ),
        "no index, a new id with every piece": (
            [(None, "A1", "f", "")],
            [(None, "A2", "", '{"a":1}')],
            [(None, "B1", "g", '{"b":')],
            [(None, "B2", "", "2}")],
        ),
        "no index, one id for all": (
            [(None, "call_0", "f", '{"a":1}')],
            [(None, "call_0", "g", '{"b":2}')],
        ),
        "no index, one id for all, in one chunk": (
            [(None, "call_0", "f", '{"a":1}'), (None, "call_0", "g", '{"b":2}')],
        ),
        "one id for all, with an index": ([(0, "call_0", "f", '{"a":1}'), (1, "call_0", "g", '{"b":2}')],),
        "no index after an index": (
            [(0, "A", "f", '{"a":1}')],
            [(None, "B", "g", '{"b":2}')],
        ),
    }.items(),
    ids=lambda each: each[0],
)
def test_two_calls_are_told_apart(chunks):
    assert calls(*chunks[1]) == TWO


def test_the_same_function_called_twice_is_two_calls():
    twice = [("f", "{}"), ("f", "{}")]
    assert calls([(0, "A", "f", "{}")], [(1, "B", "f", "{}")]) == twice
    assert calls([(0, "", "f", "{}")], [(0, "", "f", "{}")]) == twice
    assert calls([(None, "", "f", "{}"), (None, "", "f", "{}")]) == twice
    assert calls([(None, "", "f", "{}")], [(None, "", "f", "{}")]) == twice


def test_calls_without_arguments_in_one_chunk_are_apart():
    empty = [("f", "{}"), ("g", "{}")]
    assert calls([(0, "A", "f", ""), (1, "B", "g", "")]) == empty
    assert calls([(0, "", "f", ""), (0, "", "g", "")]) == empty
    assert calls([(None, "", "f", ""), (None, "", "g", "")]) == empty


def test_without_an_index_another_name_is_another_call():
    assert calls([(None, "", "f", "")], [(None, "", "g", "{}")]) == [("f", "{}"), ("g", "{}")]


def test_a_name_in_pieces_is_one_call():
    assert calls([(0, "A", "get_", "")], [(0, "", "weather", "")], [(0, "", "", "{}")]) == [
        ("get_weather", "{}")
    ]
    assert calls([(0, "A", "get_", "")], [(0, "A", "weather", "{}")]) == [("get_weather", "{}")]


def test_white_space_after_the_arguments_belongs_to_them():
    assert calls([(0, "A", "f", '{"a":1}')], [(0, "", "", "\n")]) == [("f", '{"a":1}\n')]


ONE = [("f", '{"a":1}')]


@pytest.mark.parametrize(
    "chunks",
    {
        "its arguments under another index": (
            [(2, "A", "f", "")],
            [(1, "", "", '{"a":')],
            [(1, "", "", "1}")],
        ),
        "half its arguments under another index": ([(2, "A", "f", '{"a":')], [(1, "", "", "1}")]),
        "its arguments under another index, with its id": ([(0, "A", "f", "")], [(1, "A", "", '{"a":1}')]),
        "its arguments under another index, with id and name": (
            [(0, "A", "f", "")],
            [(1, "A", "f", '{"a":1}')],
        ),
        "whole, and whole under another index": (
            [(0, "A", "f", '{"a":1}')],
            [(1, "A", "f", '{"a": 1}')],
        ),
        "whole, and in pieces under another index": (
            [(0, "A", "f", '{"a":1}')],
            [(1, "A", "f", "")],
            [(1, "", "", '{"a":')],
            [(1, "", "", "1}")],
        ),
        "under two indices at once": (
            [(0, "A", "f", ""), (1, "A", "f", "")],
            [(0, "", "", '{"a":'), (1, "", "", '{"a":')],
            [(0, "", "", "1}"), (1, "", "", "1}")],
        ),
        "under two indices, the second cut": (
            [(0, "A", "f", '{"a":1}')],
            [(1, "A", "f", '{"a"')],
        ),
        "twice in one chunk": ([(0, "A", "f", '{"a":1}'), (1, "A", "f", '{"a":1}')],),
        "without an index, twice": ([(None, "A", "f", '{"a":1}')], [(None, "A", "f", '{"a":1}')]),
        "the name again": ([(0, "A", "f", '{"a":1}')], [(0, "", "f", "")]),
        "the name again, without ids": ([(0, "", "f", '{"a":1}')], [(0, "", "f", "")]),
        "the name again, without an index": ([(None, "A", "f", '{"a":1}')], [(None, "", "f", "")]),
        "the name and all again, without the id": ([(0, "A", "f", '{"a":1}')], [(0, "", "f", '{"a":1}')]),
        "all again at its index": ([(0, "A", "f", '{"a":1}')], [(0, "A", "f", '{"a":1}')]),
        "the arguments again": ([(0, "A", "f", "")], [(0, "", "", '{"a":1}')], [(0, "", "", '{"a":1}')]),
        "the arguments again in pieces": (
            [(0, "A", "f", '{"a":1}')],
            [(0, "", "", '{"a"')],
            [(0, "", "", ": 1}")],
        ),
        "the arguments twice in one piece": ([(0, "A", "f", '{"a":1}{"a":1}')],),
        "an empty object before them": ([(0, "A", "f", "{}")], [(0, "", "", '{"a"')], [(0, "", "", ":1}")]),
        "an empty object before them, in one piece": ([(0, "A", "f", '{} {"a":1}')],),
        "null before them": ([(0, "A", "f", "null")], [(0, "", "", '{"a":1}')]),
        "an empty object before them, the rest with every piece": (
            [(0, "A", "f", "{}")],
            [(0, "A", "f", '{"a"')],
            [(0, "A", "f", ":1}")],
        ),
        "an empty object under another index": ([(0, "A", "f", "{}")], [(1, "A", "f", '{"a":1}')]),
        "an empty object behind them": ([(0, "A", "f", '{"a":1}')], [(1, "A", "f", "{}")]),
        "an id that differs from piece to piece, the name on each": (
            [(0, "A1", "f", '{"a":')],
            [(0, "A2", "f", "1}")],
        ),
        "the same without an index": ([(None, "A1", "f", '{"a":')], [(None, "A2", "f", "1}")]),
    }.items(),
    ids=lambda each: each[0],
)
def test_one_call_stays_one_call(chunks):
    assert result(*chunks[1]) == (ONE, [], "completed")


@pytest.mark.parametrize(
    "chunks",
    [
        ([(1, "A", "f", "")], [(0, "", "", '{"a":1}')], [(2, "B", "g", "")], [(1, "", "", '{"b":2}')]),
        ([(1, "A", "f", ""), (2, "B", "g", "")], [(0, "", "", '{"a":1}'), (1, "", "", '{"b":2}')]),
        (
            [(5, "A", "f", ""), (6, "B", "g", "")],
            [(0, "", "", '{"a":'), (1, "", "", '{"b":')],
            [(0, "", "", "1}"), (1, "", "", "2}")],
        ),
        ([(0, "A", "f", '{"a":1}')], [(2, "B", "g", "")], [(1, "", "", '{"b":2}')]),
    ],
)
def test_arguments_that_are_all_counted_in_another_way(chunks):
    assert result(*chunks) == (TWO, [], "completed")


def test_arguments_that_come_before_their_name():
    late: list[list[Entry]] = [[(1, "", "", '{"b":')], [(1, "B", "g", "2}")]]
    assert result([(0, "A", "f", "")], *late) == ([("f", "{}"), ("g", '{"b":2}')], [], "completed")


def test_another_name_is_another_call_even_where_the_first_is_broken():
    assert calls([(0, "A", "f", '{"a"')], [(0, "A", "g", '{"b":2}')]) == [("f", '{"a"'), ("g", '{"b":2}')]
    again: list[list[Entry]] = [[(0, "", "f", "")], [(0, "", "g", '{"b":2}')]]
    assert calls([(0, "A", "f", '{"a":1}')], *again) == TWO
    late: list[list[Entry]] = [[(1, "B", "g", "{}")], [(0, "", "h", "{}")]]
    assert result([(0, "A", "f", "")], *late)[1] == ["dropped: a name for a call that has one"]


def test_one_id_for_calls_that_are_given_different_things():
    different = [("f", '{"a":1}'), ("f", '{"a":2}')]
    indices: list[tuple[int | None, int | None]] = [(0, 0), (0, 1), (None, None)]
    for first, second in indices:
        assert calls([(first, "A", "f", '{"a":1}')], [(second, "A", "f", '{"a":2}')]) == different
    pieces: list[list[Entry]] = [[(1, "A", "f", "")], [(1, "", "", '{"a":')], [(1, "", "", "2}")]]
    assert calls([(0, "A", "f", '{"a":1}')], *pieces) == different


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        (('{"a":1}', " and so on"), '{"a":1}'),
        (('{"a":1} and so on',), '{"a":1}'),
        (('{"a":1}', '{"a":2}'), '{"a":1}'),
        (("{}", " and so on"), "{}"),
        (('{"a":"}', '{"}', '{"b":1}'), '{"a":"}{"}'),
        (('{"a":"\\', '"}"}', "x"), '{"a":"\\"}"}'),
    ],
)
def test_what_stands_behind_the_arguments_is_a_loss(pieces: tuple[str, ...], arguments: str) -> None:
    chunks: list[list[Entry]] = [[(0, "", "", piece)] for piece in pieces]
    assert result([(0, "A", "f", "")], *chunks) == (
        [("f", arguments)],
        ["dropped: text after their end"],
        "completed",
    )


@pytest.mark.parametrize("odd", ["just text}", "[1]", "{a: 1} x", '{"a":1,} x', "'{}'", "{ let a = 1 } f()"])
def test_what_is_no_json_passes_as_it_is(odd):
    for cut in range(len(odd) + 1):
        assert result([(0, "A", "f", odd[:cut])], [(0, "", "", odd[cut:])]) == ([("f", odd)], [], "completed")


@pytest.mark.parametrize("nothing", ["", " ", "{}", "null", "{ }"])
def test_arguments_that_are_nothing_are_an_empty_object(nothing):
    ((name, arguments),) = calls([(0, "A", "f", nothing)])
    assert (name, arguments.replace(" ", "")) == ("f", "{}")


def test_arguments_that_nothing_names_fail_the_answer():
    assert result([(0, "A", "", '{"a":1}')]) == ([], ["dropped: a call without a name"], "failed")


def test_arguments_that_nothing_names_are_a_loss_beside_a_call():
    named, lost, status = result([(0, "A", "f", '{"a":1}')], [(1, "B", "", '{"b":1}')])
    assert (named, lost, status) == (ONE, ["dropped: a call without a name"], "completed")


def test_a_text_in_arguments_costs_time_that_grows_with_it():
    writer = ResponseBuilder(
        EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now, Losses()
    )
    entries = CallEntries(writer, lambda extra, call_id: None)
    opening = [{"index": 0, "id": "A", "function": {"name": "f", "arguments": '{"a":"'}}]
    entries.read(opening, None)
    started = time.thread_time()
    for _ in range(50_000):
        entries.read([{"index": 0, "function": {"arguments": "{}}"}}], None)
    assert time.thread_time() - started < 5.0


ODD = st.tuples(
    st.sampled_from([0, 1, 2, None]),
    st.sampled_from(["", "A", "B"]),
    st.sampled_from(["", "f", "g"]),
    st.sampled_from(["", "{}", "null", '{"a":1}', '{"a"', ":1}", '{"b":2}', "x"]),
)


@given(st.lists(st.lists(ODD, min_size=1, max_size=2), max_size=5))
def test_whatever_is_said_of_calls_is_in_the_answer_or_a_loss_or_the_answer_fails(chunks: Any):
    named, lost, status = result(*chunks)
    if status == "completed" and not lost:
        names, sent = {each[2] for chunk in chunks for each in chunk}, {e[3] for c in chunks for e in c}
        assert all(any(name in called for called, _ in named) for name in names - {""})
        pieces = sent - {"", "{}", "null"}
        assert all(any(piece in arguments for _, arguments in named) for piece in pieces)
