"""Reasoning that is sent back: for which turns, in which form, and with which metadata."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.history.reasoning import TurnReasoning, add_missing_signature
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.reasoning.sealed_reasoning import SealedReasoning


def call(call_id: str = "a") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def put(
    quirks: Quirks, *thoughts: SealedReasoning | str, content: Any = "x", calls: Any = ()
) -> dict[str, Any]:
    """The message of a turn with this reasoning: sealed, or visible (a text)."""
    collected = TurnReasoning(quirks)
    for thought in thoughts:
        if isinstance(thought, str):
            collected.add_visible(thought)
        else:
            collected.add_sealed(thought)
    message = {"role": "assistant", "content": content}
    collected.write_to(message, list(calls))
    return message


ALWAYS = Quirks(reasoning_echo="always")


@pytest.mark.parametrize(
    ("echo", "calls", "due"),
    [
        ("always", False, True),
        ("always", True, True),
        ("with_tools", False, False),
        ("with_tools", True, True),
        ("never", True, False),
    ],
)
def test_a_turn_gets_its_reasoning_back_by_rule(echo: Any, calls: bool, due: bool):
    message = put(Quirks(reasoning_echo=echo), "Hm.", calls=[call()] if calls else [])
    assert ("reasoning_content" in message) is due


def test_shown_parts_are_paragraphs_and_what_was_sealed_is_itself():
    assert put(ALWAYS, "a", "b")["reasoning_content"] == "a\n\nb"
    assert put(ALWAYS, SealedReasoning("a"), SealedReasoning("b", more=True))["reasoning_content"] == "ab"
    assert put(ALWAYS, SealedReasoning("a"), SealedReasoning("b"))["reasoning_content"] == "a\n\nb"


@pytest.mark.parametrize(
    ("form", "content", "expected"),
    [
        ("think_tags", "Yes.", "<think>\nHm.\n</think>\n\nYes."),
        ("think_tags", None, "<think>\nHm.\n</think>\n\n"),
        (
            "think_tags",
            [{"type": "text", "text": "a"}],
            [{"type": "text", "text": "<think>\nHm.\n</think>\n\n"}, {"type": "text", "text": "a"}],
        ),
        (
            "thinking_part",
            "Yes.",
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Yes."},
            ],
        ),
        ("thinking_part", None, [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
    ],
)
def test_each_form_has_its_place(form: Any, content: Any, expected: Any):
    message = put(Quirks(reasoning_echo="always", reasoning_form=form), "Hm.", content=content)
    assert message == {"role": "assistant", "content": expected}


def test_a_backends_own_tags_are_written():
    own = Quirks(reasoning_echo="always", reasoning_form="think_tags", think_tags=(("[", "]"),))
    assert put(own, "Hm.")["content"] == "[\nHm.\n]\n\nx"


def test_structures_go_back_in_place_of_their_text():
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0}]
    message = put(ALWAYS, SealedReasoning("Hm.", {"details": details}))
    assert message == {"role": "assistant", "content": "x", "reasoning_details": details}


def test_two_answers_in_one_turn_keep_their_structures_apart():
    """Both begin at index 0: only a sealed continuation continues the previous one."""
    one, two = ([{"type": "reasoning.text", "text": each, "index": 0}] for each in "ab")
    message = put(ALWAYS, SealedReasoning("a", {"details": one}), SealedReasoning("b", {"details": two}))
    assert message["reasoning_details"] == [*one, *two]
    signed = [{"type": "reasoning.text", "signature": "s", "index": 0}]
    message = put(
        ALWAYS, SealedReasoning("a", {"details": one}), SealedReasoning("", {"details": signed}, more=True)
    )
    assert message["reasoning_details"] == [{**one[0], "signature": "s"}]
    assert "signature" not in one[0]


def test_a_calls_own_goes_back_whatever_the_rule_and_an_unknown_one_has_a_word():
    signed = {"google": {"thought_signature": "s"}}
    thought = SealedReasoning("Hm.", {"calls": {"b": signed}})
    calls = [call("a"), call("b")]
    message = put(Quirks(reasoning_echo="never"), thought, calls=calls)
    assert [each.get("extra_content") for each in calls] == [None, signed]
    assert set(message) == {"role", "content"}
    calls = [call("a"), call("b")]
    put(Quirks(), thought, calls=calls)
    add_missing_signature(calls, "skip")
    skipped = {"google": {"thought_signature": "skip"}}
    assert [each.get("extra_content") for each in calls] == [skipped, signed]
    add_missing_signature(calls[1:], "skip")
    assert calls[1]["extra_content"] == signed
