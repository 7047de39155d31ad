"""Estimates of what a call may use."""

import json
from itertools import permutations
from typing import Any

import pytest

from chat2response.convert.requests.output_limit import OUTPUT_LIMITS
from chat2response.quota.request_estimate import (
    CHOICES,
    MEDIA_TOKENS,
    Estimate,
    estimate_input,
    estimate_request,
)


def estimate_of(**fields: Any) -> Estimate:
    body = json.dumps(fields).encode()
    return estimate_request(body, fields, "chat")


@pytest.mark.parametrize("name", ["max_output_tokens", "max_completion_tokens", "max_tokens"])
def test_the_output_limit_under_the_clients_name(name: str) -> None:
    estimate = estimate_of(model="m", **{name: 50})
    assert (estimate.model, estimate.upstream, estimate.output_tokens, estimate.output_field) == (
        "m",
        "chat",
        50,
        name,
    )


def test_the_largest_of_all_names_counts_for_upstreams_differ_in_which_they_read() -> None:
    for first, second in permutations([*OUTPUT_LIMITS, "their_own"], 2):
        fields = {first: 9, second: 5}
        estimate = estimate_request(b"{}", fields, "chat", "their_own")
        assert (estimate.output_tokens, estimate.output_field, estimate.unbounded) == (9, first, False)


@pytest.mark.parametrize(
    ("value", "counted"),
    [(5, 5), (5.0, 5), (4.2, 5), ("5", 5), (" 5.0 ", 5), (10**40, 2**40), ("1e40", 2**40)],
)
def test_a_number_counts_as_the_most_lenient_parser_reads_it(value: Any, counted: int) -> None:
    estimate = estimate_of(max_tokens=value)
    assert (estimate.output_tokens, estimate.unbounded) == (counted, False)
    assert estimate_of(max_tokens=value, n=value).output_tokens == min(counted * counted, 2**40)


@pytest.mark.parametrize("value", [-1, 0, -2.5, "-1", "many", "1" * 50, True, [], {}])
def test_what_bounds_nothing_is_no_limit(value: Any) -> None:
    estimate = estimate_of(max_tokens=value)
    assert (estimate.output_tokens, estimate.output_field, estimate.unbounded) == (None, None, True)
    both = estimate_of(max_tokens=value, max_completion_tokens=7)
    assert (both.output_tokens, both.output_field, both.unbounded) == (7, "max_completion_tokens", True)


@pytest.mark.parametrize("name", CHOICES)
def test_choices_under_every_name(name: str) -> None:
    assert estimate_of(max_tokens=5, **{name: 3}).output_tokens == 15
    assert estimate_of(max_tokens=5, **{"n": 2, name: 3}).output_tokens == 15


def test_each_choice_may_be_as_long() -> None:
    assert estimate_of(max_tokens=5, n=3).output_tokens == 15
    assert (estimate_of(n=3).output_tokens, estimate_of(n=3).choices) == (None, 3)


@pytest.mark.parametrize("odd", [None, True, {}, -3, "x"])
def test_what_is_no_number_is_the_upstreams_to_refuse(odd: Any) -> None:
    estimate = estimate_of(model=odd, max_tokens=odd, n=odd, tools=odd)
    assert estimate.output_tokens in (None, 0)
    assert (estimate.choices, estimate.tools) == (1, ())


@pytest.mark.parametrize(
    ("fields", "tools"),
    [
        ({"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}, ("web_search",)),
        (
            {"input": [{"type": "tool_search_output", "tools": [{"type": "mcp", "server_label": "x"}]}]},
            ("mcp.x",),
        ),
        ({"input": {"type": "additional_tools", "tools": {"type": "web_search"}}}, ("web_search",)),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, ("shell",)),
        ({"tools": [{"type": "shell", "environment": "odd"}]}, ("shell",)),
        ({"tools": [{"type": "shell", "environment": {"type": "local"}}, {"type": "shell"}]}, ()),
        ({"web_search_options": {}}, ("web_search",)),
        ({"web_search_options": None, "enable_search": False, "plugins": []}, ()),
        ({"enable_search": True}, ("web_search",)),
        ({"search_parameters": {"mode": "on"}}, ("web_search",)),
        ({"plugins": [{"id": "web"}]}, ("web_search",)),
    ],
)
def test_hosted_tools_are_found_wherever_a_request_can_name_them(
    fields: dict[str, Any], tools: tuple[str, ...]
) -> None:
    assert estimate_of(**fields).tools == tools


def test_models_that_may_answer_in_place_of_the_one_are_asked_for_too() -> None:
    assert estimate_of(model="a", models=["b", 7, "c"]).fallbacks == ("b", "c")


def test_hosted_tools_by_type_and_the_clients_own_not_at_all() -> None:
    tools = [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "c"},
        {"type": "web_search"},
        {"type": "mcp", "server_label": "files"},
        {"type": "namespace", "tools": [{"type": "function"}, {"type": "image_generation"}]},
        "no tool",
    ]
    assert estimate_of(tools=tools).tools == ("web_search", "mcp.files", "image_generation")


def test_text_counts_by_its_length_and_media_do_not() -> None:
    assert estimate_input(b"x" * 401) == 101
    picture = b'{"url": "data:image/png;base64,%b"}' % (b"A/+" * 100_000)
    assert MEDIA_TOKENS < estimate_input(picture) < MEDIA_TOKENS + 20
    escaped = picture.replace(b"/", b"\\/")
    assert MEDIA_TOKENS < estimate_input(escaped) < MEDIA_TOKENS + 20
