"""`reasoning.context`: which turns of the history get their reasoning back."""

from dataclasses import replace
from typing import Any

import pytest

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.reasoning.sealed_reasoning import SealedReasoning, seal_reasoning
from tests.convert.dialects.chat.history.test_turns import USER, call, output, reply, thought
from tests.support.convert.requests import Json, messages_of, resp_body, to_chat

HISTORY = [
    *(USER, thought("one"), reply("x")),
    *(USER, thought("two"), call("1"), output("1"), thought("three"), reply("y")),
    *(
        USER,
        thought("four"),
        call("2"),
        output("2"),
        thought("five"),
        reply("z"),
        {**USER, "role": "developer"},
    ),
]
ALL = ["one", "two", "three", "four", "five"]
RULES: dict[Any, dict[Any, list[str]]] = {
    "always": {None: ALL, "auto": ALL, "all_turns": ALL, "current_turn": ["four", "five"]},
    "with_tools": {
        None: ["two", "four"],
        "auto": ["two", "four"],
        "all_turns": ALL,
        "current_turn": ["four"],
    },
    "never": {None: [], "auto": [], "all_turns": [], "current_turn": []},
}


def echoed(quirks: Quirks, context: Any, *items: Json) -> tuple[list[str], list[str]]:
    """The reasoning that the backend gets back, and the losses."""
    reasoning: Json = {} if context is None else {"reasoning": {"context": context}}
    messages, losses = messages_of(*(items or HISTORY), quirks=quirks, **reasoning)
    return [text for message in messages if (text := message.get("reasoning_content"))], losses


@pytest.mark.parametrize(
    ("echo", "context"), [(echo, context) for echo, rule in RULES.items() for context in rule]
)
def test_the_value_says_which_turns(echo: Any, context: Any) -> None:
    lost = echo == "never" and context in ("all_turns", "current_turn")
    losses = ["reasoning.context; the backend gets no reasoning back"] if lost else []
    assert echoed(Quirks(reasoning_echo=echo), context) == (RULES[echo][context], losses)


@pytest.mark.parametrize("context", [None, "auto", "all_turns", "current_turn"])
def test_a_backend_that_refuses_a_call_without_its_reasoning_gets_it(context: Any) -> None:
    texts, losses = echoed(Quirks(reasoning_required=True), context)
    assert texts == RULES["with_tools"]["all_turns" if context == "all_turns" else "auto"]
    why = "reasoning.context; the backend requires the reasoning of all calls"
    assert losses == ([why] if context == "current_turn" else [])


@pytest.mark.parametrize("name", ["deepseek", "moonshot", "generic"])
def test_these_refuse_or_may(name: str) -> None:
    assert echoed(replace(PROFILES[name], carried=frozenset()), "current_turn")[0] == [
        "two",
        "four",
    ]


def test_a_turn_goes_on_until_the_user_speaks_again() -> None:
    """A user message with a tool's images, or a developer message, starts no new turn."""
    shown = [{"type": "input_image", "image_url": "data:image/png;base64,eA=="}]
    loop = [
        thought("a"),
        call("1"),
        output("1", shown),
        {**USER, "role": "developer"},
        thought("b"),
        call("2"),
    ]
    texts, _ = echoed(Quirks(), "current_turn", USER, *loop, output("2"))
    assert texts == ["a", "b"]
    assert echoed(Quirks(), "current_turn", *loop, output("2"))[0] == ["a", "b"]


def test_a_history_that_grows_within_the_turn_begins_with_the_same_messages() -> None:
    quirks = Quirks(reasoning_echo="always")
    shorter, _ = messages_of(*HISTORY, quirks=quirks, reasoning={"context": "current_turn"})
    more = [thought("six"), call("3"), output("3")]
    longer, _ = messages_of(*HISTORY, *more, quirks=quirks, reasoning={"context": "current_turn"})
    assert longer[: len(shorter)] == shorter


class Plain:
    """A Seal that does not encrypt."""

    def seal(self, plain: bytes) -> str:
        return plain.decode()

    def open(self, sealed: str) -> bytes | None:
        return sealed.encode()


def test_a_signature_on_a_call_goes_back_all_the_same() -> None:
    """The signature belongs to the call, not to the visible reasoning."""
    extra = {"google": {"thought_signature": "s"}}
    blob = seal_reasoning(SealedReasoning("hm", {"calls": {"1": extra}}), Plain())
    items = [USER, thought(encrypted_content=blob), call("1"), output("1"), USER]
    hub = responses.read_request(resp_body(input=items, reasoning={"context": "current_turn"}))
    body: Any = chat.write_request(replace(hub, seal=Plain()), Losses(), PROFILES["litellm"])
    assert "reasoning_content" not in body["messages"][1]
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == extra


def test_a_configuration_update_changes_it_too() -> None:
    update = {"type": "configuration_update", "reasoning": {"context": "current_turn"}}
    body, _ = to_chat(resp_body(input=[*HISTORY, update]), Quirks())
    assert [each.get("reasoning_content") for each in body["messages"] if each.get("tool_calls")] == [
        None,
        "four",
    ]
