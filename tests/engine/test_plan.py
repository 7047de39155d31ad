"""The table of plans: every surface in every upstream mode."""

from typing import Any

import pytest

from chat2response.engine.plan import SURFACE_DIALECTS, plan, plans
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Routes

CHAT, RESPONSES = Target("chat"), Target("responses")
MODES = {
    "chat": Routes.single(CHAT),
    "responses": Routes.single(RESPONSES),
    "both": Routes(chat=CHAT, responses=RESPONSES),
}
# surface, mode: target, up, down
TABLE: dict[tuple[Any, str], tuple[Target, str, str]] = {
    ("chat", "chat"): (CHAT, "relay", "relay"),
    ("chat", "responses"): (RESPONSES, "convert", "convert"),
    ("chat", "both"): (CHAT, "relay", "relay"),
    ("responses", "chat"): (CHAT, "convert", "convert"),
    ("responses", "responses"): (RESPONSES, "relay", "relay"),
    ("responses", "both"): (RESPONSES, "relay", "relay"),
    ("proxy", "chat"): (CHAT, "overlay", "convert"),
    ("proxy", "responses"): (RESPONSES, "convert", "relay"),
    ("proxy", "both"): (RESPONSES, "convert", "relay"),
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(surface, mode) for surface in SURFACE_DIALECTS for mode in MODES}


@pytest.mark.parametrize(("surface", "mode"), TABLE)
def test_the_way_of_a_call(surface: Any, mode: str) -> None:
    result = plan(surface, MODES[mode])
    assert (result.target, result.up, result.down) == TABLE[surface, mode]
    reads, writes = SURFACE_DIALECTS[surface]
    assert result.why.startswith(reads)
    assert result.why.endswith(f"{writes} out")


@pytest.mark.parametrize("mode", MODES)
def test_every_surface_has_its_plan_from_the_start(mode: str) -> None:
    assert plans(MODES[mode]) == {surface: plan(surface, MODES[mode]) for surface in SURFACE_DIALECTS}
