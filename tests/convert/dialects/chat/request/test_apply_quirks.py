"""A Chat body is adapted to its backend, quirk by quirk."""

from typing import Any

import pytest

from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.requests import USER, Json, resp_body, to_chat

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
OTHER = {**TOOL, "name": "g", "strict": False}
THINKING = Quirks(
    effort_values={"minimal": "low", "max": "high"},
    reasoning_on={"thinking": {"type": "enabled"}},
    reasoning_off={"thinking": {"type": "disabled"}},
)


def body_of(quirks: Quirks, **fields: Any) -> tuple[Json, list[str]]:
    """The body without model and messages, and the fields with losses."""
    body, losses = to_chat(resp_body(input=[USER], **fields), quirks)
    sent = {key: value for key, value in body.items() if key not in ("model", "messages")}
    return sent, [loss.partition(";")[0] for loss in losses]


# -- reasoning on, off, and how much -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effort", "sent", "lost"),
    [
        ("low", {"reasoning_effort": "low", "thinking": {"type": "enabled"}}, []),
        ("max", {"reasoning_effort": "high", "thinking": {"type": "enabled"}}, ["reasoning.effort"]),
        ("none", {"thinking": {"type": "disabled"}}, []),
        (None, {}, []),
    ],
)
def test_an_effort_is_said_in_the_backends_words(effort: Any, sent: Json, lost: list[str]):
    assert body_of(THINKING, reasoning={"effort": effort}) == (sent, lost)


def test_without_a_switch_none_is_an_effort():
    assert body_of(Quirks(), reasoning={"effort": "none"})[0] == {"reasoning_effort": "none"}


def test_an_effort_may_go_deeper_or_nowhere():
    deep = Quirks(effort_field="reasoning.effort")
    assert body_of(deep, reasoning={"effort": "high"})[0] == {"reasoning": {"effort": "high"}}
    switch = Quirks(effort_field="", reasoning_on={"enable_thinking": True})
    assert body_of(switch, reasoning={"effort": "high"}) == ({"enable_thinking": True}, ["reasoning.effort"])


def test_a_vendors_members_of_reasoning_pass_where_there_is_such_an_object():
    reasoning = {"effort": "high", "exclude": True, "summary": "auto"}
    deep = Quirks(effort_field="reasoning.effort")
    assert body_of(deep, reasoning=reasoning)[0] == {"reasoning": {"exclude": True, "effort": "high"}}
    assert body_of(Quirks(), reasoning=reasoning) == ({"reasoning_effort": "high"}, ["reasoning.exclude"])


def test_the_clients_own_switch_wins_over_ours():
    kwargs = {"chat_template_kwargs": {"enable_thinking": False, "x": 1}}
    vllm = Quirks(reasoning_on={"chat_template_kwargs": {"enable_thinking": True, "y": 2}})
    sent, _ = body_of(vllm, reasoning={"effort": "low"}, **kwargs)
    assert sent["chat_template_kwargs"] == {"enable_thinking": False, "x": 1, "y": 2}
    assert kwargs == {"chat_template_kwargs": {"enable_thinking": False, "x": 1}}


# -- tools ---------------------------------------------------------------------------------------------


def tools_of(quirks: Quirks, choice: Any, **more: Any) -> tuple[list[str], Any, list[str]]:
    """The names of the sent tools, the choice, and the losses."""
    sent, losses = body_of(quirks, tools=[TOOL, OTHER], tool_choice=choice, **more)
    return [tool["function"]["name"] for tool in sent.get("tools", ())], sent.get("tool_choice"), losses


AUTO = Quirks(tool_choices=frozenset({"auto"}))
MODES = Quirks(tool_choices=frozenset({"auto", "none", "required"}))
NAMED = {"type": "function", "name": "g"}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [NAMED]}
ONE_OF = {**ALLOWED, "mode": "required"}


@pytest.mark.parametrize(
    ("quirks", "choice", "sent"),
    [
        (Quirks(), "required", (["f", "g"], "required", [])),
        (AUTO, "auto", (["f", "g"], "auto", [])),
        (AUTO, "none", ([], None, [])),
        (AUTO, "required", (["f", "g"], None, ["tool_choice"])),
        (AUTO, NAMED, (["g"], None, ["tool_choice"])),
        (AUTO, ALLOWED, (["g"], "auto", [])),
        (AUTO, ONE_OF, (["g"], None, ["tool_choice"])),
        (MODES, NAMED, (["g"], "required", [])),
        (MODES, ONE_OF, (["g"], "required", [])),
    ],
)
def test_a_choice_that_is_not_taken_is_said_by_the_tools(quirks: Quirks, choice: Any, sent: Any):
    assert tools_of(quirks, choice) == sent


def test_parallel_calls_are_forbidden_only_where_that_can_be_said():
    never = Quirks(parallel_tools=False)
    forbidden: Json = {"tools": [TOOL], "parallel_tool_calls": False}
    sent, losses = body_of(never, **forbidden)
    assert ("parallel_tool_calls" in sent, losses) == (False, ["parallel_tool_calls"])
    assert body_of(never, **{**forbidden, "parallel_tool_calls": True})[1] == []
    assert body_of(Quirks(), **forbidden)[0]["parallel_tool_calls"] is False
    assert set(body_of(AUTO, **forbidden, tool_choice="none")[0]) == set()


def test_strict_is_left_out_where_it_is_not_known():
    sent, losses = body_of(Quirks(strict_tools=False), tools=[TOOL, OTHER])
    assert all("strict" not in tool["function"] for tool in sent["tools"])
    assert losses == ["tools.strict"]
    assert body_of(Quirks(strict_tools=False), tools=[OTHER])[1] == []


# -- fields --------------------------------------------------------------------------------------------


def test_a_dropped_field_is_a_loss_under_the_clients_name():
    quirks = Quirks(dropped_fields=frozenset({"verbosity", "seed"}))
    sent, losses = body_of(quirks, text={"verbosity": "low"}, seed=1, top_k=2)
    assert (sent, losses) == ({"top_k": 2}, ["text.verbosity", "seed"])


def test_what_a_list_of_fields_does_not_allow_is_dropped_but_never_what_makes_the_request():
    quirks = Quirks(allowed_fields=frozenset({"temperature"}), reasoning_on={"thinking": True})
    sent, losses = body_of(
        quirks,
        tools=[TOOL],
        tool_choice="auto",
        stream=True,
        max_output_tokens=9,
        reasoning={"effort": "low"},
        temperature=1,
        user="u",
    )
    assert losses == ["user"]
    assert set(sent) == {
        *("tools", "tool_choice", "stream", "stream_options", "max_completion_tokens"),
        *("reasoning_effort", "thinking", "temperature"),
    }


def test_a_field_goes_by_the_backends_name_and_a_dropped_one_not_at_all():
    assert body_of(Quirks(renamed_fields={"seed": "random_seed"}), seed=3)[0] == {"random_seed": 3}
    gone = Quirks(renamed_fields={"seed": "random_seed"}, dropped_fields=frozenset({"seed"}))
    assert body_of(gone, seed=3) == ({}, ["seed"])


def test_extra_fields_are_added_under_the_clients_own():
    quirks = Quirks(extra_body={"reasoning_split": True, "top_k": 1})
    assert body_of(quirks, top_k=2)[0] == {"top_k": 2, "reasoning_split": True}


def test_usage_is_not_asked_for_where_that_is_refused():
    assert "stream_options" not in body_of(Quirks(usage_in_stream=False), stream=True)[0]


@pytest.mark.parametrize(
    ("switches", "fields", "sent"),
    [
        ({}, {}, False),
        ({"thinks_unasked": False}, {}, True),
        ({"thinks_unasked": False, "reasoning_on": {"think": True}}, {"think": True}, False),
        ({"thinks_unasked": False, "reasoning_on": {"think": True}}, {"think": False}, True),
        ({"reasoning_off": {"a": {"b": False}}}, {"a": {"b": False, "c": 1}}, True),
        ({"reasoning_off": {"a": {"b": False}}}, {"a": 7}, False),
    ],
)
def test_a_forced_choice_depends_on_whether_the_model_thinks(switches: Any, fields: Any, sent: bool):
    quirks = Quirks(thinking_tool_choices=frozenset({"auto"}), **switches)
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    body, losses = to_chat(resp_body(tools=[tool], tool_choice="required", **fields), quirks)
    assert (body.get("tool_choice"), losses) == (
        ("required", []) if sent else (None, ["tool_choice; dropped"])
    )
