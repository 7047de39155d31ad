"""The tools of a request, and their names at a Chat backend."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.chat.tools.tool_names import sendable_name
from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from tests.support.convert.requests import Json, refused, resp_body, to_chat


def tool_map(*tools: Json, **fields: Any) -> ToolMap:
    return ToolMap.of(read_request(resp_body(tools=list(tools), **fields)), OPENAI_COMPATIBLE)


def flat(name: str, **more: Any) -> Json:
    return {"type": "function", "name": name, **more}


def space(name: str, *tools: Json, **more: Any) -> Json:
    return {"type": "namespace", "name": name, "tools": list(tools), **more}


def names(tools: ToolMap) -> list[str]:
    return [each.sent_name for each in tools.by_key.values()]


def test_row_11_a_namespace_is_flattened_into_names_that_every_backend_takes():
    """Row 11: all tools of a namespace are sent under names of at most 64 characters, and map back."""
    long = "n" * 60
    tools = tool_map(space("a", flat("f"), flat(long)), space("b.c", flat("f")), flat("f"))
    assert names(tools)[0] == "a__f"
    assert names(tools)[3] == "f"
    assert len(set(names(tools))) == 4
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names(tools))
    for name in names(tools):
        mapped = tools.by_sent_name[name]
        assert tools.sent_name(mapped.namespace, mapped.name) == name


def test_row_11_a_clash_ends_in_a_digest():
    """Row 11: a function keeps its name, even if a namespace's tool would get the same one."""
    tools = tool_map(space("a", flat("b__c")), space("a__b", flat("c")), flat("a__b__c"))
    first, second, third = names(tools)
    assert third == "a__b__c"
    assert first != second
    assert first.startswith("a__b__c_")
    assert second.startswith("a__b__c_")


def test_row_10_tools_of_the_input_join_those_of_the_request():
    """Row 10: a later tool replaces an earlier one of its name, in its position, and adds no message."""
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [flat("f", description="new"), flat("g")]},
        {"role": "user", "content": "hi"},
        {"type": "additional_tools", "role": "developer", "tools": [flat("g", description="newest")]},
    ]
    body, losses = to_chat(resp_body(input=items, tools=[flat("f", description="old"), flat("h")]))
    assert [(each["function"]["name"], each["function"].get("description")) for each in body["tools"]] == [
        ("f", "new"), ("h", None), ("g", "newest"),
    ]  # fmt: skip
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert losses == []


def test_a_request_of_functions_alone_is_plain():
    assert tool_map(flat("f"), flat("g")).plain
    assert not tool_map(flat("f"), space("a", flat("g"))).plain
    assert not tool_map({"type": "custom", "name": "f"}).plain
    assert not tool_map(flat("docs.search")).plain


def test_a_wrong_tool_is_a_400_that_names_its_place():
    for tool, param in (
        ({"type": "namespace"}, "tools[0].name"),
        ({"type": "namespace", "name": "a"}, "tools[0].tools"),
        (space("a", {"type": "function"}), "tools[0].tools[0].name"),
        (space("a", {}), "tools[0].tools[0].type"),
        (space("a", description=1), "tools[0].description"),
        ({"type": "custom", "name": "f", "format": {"type": "odd"}}, "tools[0].format.type"),
        ({"type": "custom", "name": "f", "format": {"type": "grammar"}}, "tools[0].format.syntax"),
    ):
        refused(to_chat, resp_body(tools=[tool]), param)
    brought = {"type": "additional_tools", "tools": [flat("f"), {"type": "function"}]}
    refused(to_chat, resp_body(input=[brought]), "input[0].tools[1].name")


WORDS = st.text(st.sampled_from("ab_.é"), min_size=1, max_size=8) | st.text("a", min_size=60, max_size=70)
TOOLS = st.lists(st.tuples(st.none() | WORDS, WORDS, st.sampled_from(["function", "custom"])), max_size=12)


@given(TOOLS)
def test_any_tools_have_names_of_their_own_and_the_way_back(declared: list[tuple[str | None, str, str]]):
    tools = [
        {"type": kind, "name": name} if outer is None else space(outer, {"type": kind, "name": name})
        for outer, name, kind in declared
    ]
    mapped, again = tool_map(*tools), tool_map(*tools)
    assert names(mapped) == names(again), "nothing in a name is a matter of chance"
    assert len(set(names(mapped))) == len(mapped.by_key)
    for outer, name, _ in declared:
        sent = mapped.sent_name(outer, name)
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", sent)
        restored = mapped.by_sent_name[sent]
        assert (restored.namespace or None, restored.name) == (outer or None, name)


@given(WORDS, WORDS)
def test_a_tool_that_a_request_no_longer_has_keeps_its_name(outer: str, name: str):
    assert tool_map().sent_name(outer, name) == tool_map(space(outer, flat(name))).sent_name(outer, name)
    assert tool_map().sent_name(outer, name) == sendable_name(outer, name)


def test_a_name_that_has_to_begin_with_a_letter_does_and_comes_back():
    """Gemini refuses other names, and sends calls under the name that it got."""
    tools = [flat("21st_magic"), flat("-x"), flat("_ok"), flat("_21st_magic"), space("3d", flat("render"))]
    hub = read_request(resp_body(tools=tools))
    mapped = ToolMap.of(hub, Quirks(letter_names=True))
    assert names(mapped)[1:4] == ["_-x", "_ok", "_21st_magic"]
    assert names(mapped)[4] == "_3d__render"
    assert len(set(names(mapped))) == 5
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", name) for name in names(mapped))
    assert [mapped.by_sent_name[name].name for name in names(mapped)] == [
        "21st_magic", "-x", "_ok", "_21st_magic", "render"
    ]  # fmt: skip
    assert mapped.sent_name("", "9gone") == "_9gone"  # only the history has this tool
    assert names(tool_map(flat("21st_magic"))) == ["21st_magic"]
