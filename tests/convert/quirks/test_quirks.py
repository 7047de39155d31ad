"""Quirks are data: JSON can override every field, and errors name the invalid one."""

from dataclasses import fields
from typing import Any

import pytest

from chat2response.convert.quirks.quirks import Quirks, QuirksError, with_overrides
from chat2response.wire.json import decode, encode

OVERRIDES: dict[str, Any] = {
    "max_tokens": "max_tokens",
    "usage_in_stream": False,
    "parallel_tools": False,
    "custom_tools": True,
    "moderation": True,
    "strict_tools": False,
    "mixed_strict": False,
    "letter_names": True,
    "tool_choices": ["auto"],
    "thinking_tool_choices": ["auto", "none"],
    "thinks_unasked": False,
    "response_formats": ["json_object", "text"],
    "allowed_fields": ["temperature"],
    "dropped_fields": ["seed"],
    "renamed_fields": {"seed": "random_seed"},
    "extra_body": {"top_k": 5},
    "developer_role": False,
    "system_placement": "first_only",
    "assistant_after_tools": "Go on.",
    "video": True,
    "flatten_content": True,
    "message_names": False,
    "max_call_id": 9,
    "call_id_form": "[a-z]{9}",
    "effort_field": "reasoning.effort",
    "effort_values": {"max": "high"},
    "reasoning_on": {"thinking": {"type": "enabled"}},
    "reasoning_off": {"thinking": {"type": "disabled"}},
    "reasoning_in": ["reasoning"],
    "think_tags": [["<think>", "</think>"]],
    "cumulative_details": True,
    "think_open": True,
    "carried": ["reasoning_details"],
    "reasoning_echo": "never",
    "reasoning_required": True,
    "reasoning_field": "reasoning",
    "reasoning_form": "think_tags",
    "missing_signature": "none",
    "finish_reasons": {"halted": "stop"},
    "cached_tokens": ["cached"],
    "completion_tokens": "without_reasoning",
}


def test_every_field_can_be_overridden_in_json():
    assert set(OVERRIDES) == {each.name for each in fields(Quirks)}
    quirks = with_overrides(Quirks(), OVERRIDES)
    for name, value in OVERRIDES.items():
        assert getattr(quirks, name) != getattr(Quirks(), name), name
        assert decode(encode(plain(getattr(quirks, name)))) == value


def plain(value: Any) -> Any:
    """Turns sets into sorted lists, as in JSON."""
    return sorted(value) if isinstance(value, frozenset) else value


def test_what_is_not_named_stays():
    quirks = with_overrides(
        Quirks(max_tokens="max_tokens", think_tags=(("<a>", "</a>"),)), {"think_tags": []}
    )
    assert (quirks.max_tokens, quirks.think_tags) == ("max_tokens", ())


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("think_tag", ["think"], "Unknown quirk: 'think_tag'. Did you mean 'think_tags'?"),
        ("developer_role", "yes", "'developer_role': Expected `bool`, got `str`."),
        ("think_tags", "think", "'think_tags': Expected `array`, got `str`."),
        ("reasoning_echo", "often", "'reasoning_echo': Invalid enum value 'often'."),
        ("max_call_id", True, "'max_call_id': Expected `int`, got `bool`."),
        ("effort_values", {"max": 3}, "'effort_values': Expected `str`, got `int` - at `$[...]`."),
    ],
)
def test_what_cannot_be_taken_is_named(name: str, value: Any, why: str):
    with pytest.raises(QuirksError) as caught:
        with_overrides(Quirks(), {name: value})
    assert str(caught.value) == why
