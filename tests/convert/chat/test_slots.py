"""Which call a tool-call entry belongs to, by everything that backends do with index, id and name."""

import pytest

from chat2response.convert.chat.slots import CallSlots

Entry = tuple[int | None, str, str, str]  # index, id, name, arguments


def calls(*chunks: list[Entry]) -> list[tuple[str, str]]:
    """Each call's name and arguments, in order, after these chunks."""
    slots = CallSlots()
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        taken: set[int] = set()
        for index, call_id, name, arguments in chunk:
            number = slots.find(index, call_id, name, arguments, taken)
            taken.add(number)
            call = found.setdefault(number, ["", ""])
            if name and name != call[0]:
                call[0] += name
            call[1] += arguments
    assert list(found) == list(range(len(found))), "calls are numbered as they appear"
    return [(name, arguments) for name, arguments in found.values()]


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
    empty = [("f", ""), ("g", "")]
    assert calls([(0, "A", "f", ""), (1, "B", "g", "")]) == empty
    assert calls([(0, "", "f", ""), (0, "", "g", "")]) == empty
    assert calls([(None, "", "f", ""), (None, "", "g", "")]) == empty


def test_without_an_index_another_name_is_another_call():
    assert calls([(None, "", "f", "")], [(None, "", "g", "{}")]) == [("f", ""), ("g", "{}")]


def test_a_name_in_pieces_is_one_call():
    assert calls([(0, "A", "get_", "")], [(0, "", "weather", "")], [(0, "", "", "{}")]) == [
        ("get_weather", "{}")
    ]
    assert calls([(0, "A", "get_", "")], [(0, "A", "weather", "{}")]) == [("get_weather", "{}")]


def test_white_space_after_the_arguments_belongs_to_them():
    assert calls([(0, "A", "f", "{}")], [(0, "", "", "\n")]) == [("f", "{}\n")]


def test_arguments_that_cannot_be_whole_are_not_joined_to_find_that_out(monkeypatch: pytest.MonkeyPatch):
    looked_at: list[str] = []

    def look(text: str) -> bool:
        looked_at.append(text)
        return True

    monkeypatch.setattr("chat2response.convert.chat.slots.is_complete_object", look)
    slots = CallSlots()
    assert {slots.find(0, "", "f", piece) for piece in ('{"a":"', "b", "c", " ", "\n") * 10} == {0}
    assert looked_at == []
    assert slots.find(0, "", "f", '"} ') == 0
    assert slots.find(0, "", "f", "{") == 1, "the one before may be whole: now it is looked at"
    assert len(looked_at) == 1
