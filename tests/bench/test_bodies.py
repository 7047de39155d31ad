from __future__ import annotations

import json
from typing import Any

import pytest

from bench.bodies import Mode, expected, http_request

MODES: tuple[Mode, ...] = ("bridge", "relay-chat", "relay-responses")


def body(mode: Mode, model: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(http_request(mode, model, True, "key").partition(b"\r\n\r\n")[2])
    return fields


@pytest.mark.parametrize("mode", MODES)
def test_each_kind_of_deltas_is_counted_by_its_own_text(mode: Mode):
    models = ("flood-256", "arguments-256", "reasoning-256")

    assert len({expected(mode, True, model).count for model in models}) == 3
    assert expected(mode, True, "paced-100@20") == expected(mode, True, "flood-256") == expected(mode, True)


@pytest.mark.parametrize("mode", MODES)
def test_kinds_of_deltas_share_the_end(mode: Mode):
    assert expected(mode, True, "arguments-256").end == expected(mode, True).end


def test_only_requests_for_reasoning_ask_for_its_summary():
    assert body("bridge", "reasoning-256")["reasoning"] == {"summary": "auto"}
    assert "reasoning" not in body("bridge", "flood-256")
    assert "reasoning" not in body("relay-chat", "reasoning-256")
