"""The table of plans: every surface in every upstream mode."""

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.dialects.surfaces import SURFACES, Surface
from chat2response.engine.plan import plan
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Routes

ON_CHAT, ON_RESPONSES = Target(CHAT), Target(RESPONSES)
MODES = {
    "chat": Routes.single(ON_CHAT),
    "responses": Routes.single(ON_RESPONSES),
    "both": Routes.by_dialect((ON_RESPONSES, ON_CHAT)),
}
# surface, mode: target, up, down
TABLE: dict[tuple[str, str], tuple[Target, str, str]] = {
    ("chat", "chat"): (ON_CHAT, "relay", "relay"),
    ("chat", "responses"): (ON_RESPONSES, "convert", "convert"),
    ("chat", "both"): (ON_CHAT, "relay", "relay"),
    ("responses", "chat"): (ON_CHAT, "convert", "convert"),
    ("responses", "responses"): (ON_RESPONSES, "relay", "relay"),
    ("responses", "both"): (ON_RESPONSES, "relay", "relay"),
    ("proxy", "chat"): (ON_CHAT, "overlay", "convert"),
    ("proxy", "responses"): (ON_RESPONSES, "convert", "relay"),
    ("proxy", "both"): (ON_RESPONSES, "convert", "relay"),
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(surface.name, mode) for surface in SURFACES for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_the_plan_of_a_call(surface: Surface, mode: str) -> None:
    (target,) = MODES[mode].resolve(surface).targets
    assert MODES[mode].target(surface) is target
    result = plan(surface, target.dialect)
    assert (target, result.up, result.down) == TABLE[surface.name, mode]
    assert result.why.startswith(surface.reads.name)
    assert result.why.endswith(f"{surface.writes.name} out")
    assert plan(surface, target.dialect) is result, "it is made once"
