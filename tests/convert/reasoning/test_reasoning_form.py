"""Where reasoning goes: the operator's setting, the kind of client, the request."""

import pytest

from chat2response.convert.client_profiles import OPEN_RESPONSES
from chat2response.convert.reasoning.reasoning_form import reasoning_form


@pytest.mark.parametrize(
    ("reasoning", "raw"),
    [
        (None, "content"),
        ({}, "content"),
        ({"effort": "low"}, "content"),
        ({"summary": "auto"}, "summary"),
        ({"generate_summary": "concise"}, "summary"),
        ({"summary": None}, "content"),
        ("odd", "content"),
    ],
)
def test_reasoning_goes_where_this_kind_of_client_reads_it(reasoning, raw):
    """`raw`: the form for a client that shows raw reasoning too."""
    body = {"reasoning": reasoning}
    assert reasoning_form(body) == "summary"
    assert reasoning_form(body, None, OPEN_RESPONSES) == raw
    for forced in ("hide", "content", "summary"):
        assert reasoning_form(body, forced) == reasoning_form(body, forced, OPEN_RESPONSES) == forced
