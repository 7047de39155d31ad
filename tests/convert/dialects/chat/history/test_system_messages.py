"""System messages: leading ones are joined, later ones marked or left in place; none moves to the front."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import write_request
from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES, profile
from chat2response.convert.quirks.quirks import Quirks, SystemPlacement
from chat2response.wire.json import encode
from tests.support.convert.requests import Json

USER = {"role": "user", "content": "Hi"}
DEVELOPER = {"role": "developer", "content": "Be brief."}
SYSTEM = {"role": "system", "content": "Be kind."}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "4"}


def sent(*items: Json, quirks: Quirks, **fields: Any) -> tuple[list[Json], list[tuple[str, str]]]:
    losses = Losses()
    body = write_request(read_request({"model": "m", "input": [*items], **fields}), losses, quirks)
    return body["messages"], [(loss.field, loss.effect) for loss in losses]  # type: ignore[return-value]


def placed(placement: SystemPlacement, **more: Any) -> Quirks:
    return Quirks(system_placement=placement, developer_role=False, **more)


@pytest.mark.parametrize("placement", ["joined", "first_only"])
def test_those_at_the_head_are_one(placement: SystemPlacement) -> None:
    messages, lost = sent(DEVELOPER, SYSTEM, USER, quirks=placed(placement), instructions="Help.")
    assert messages == [{"role": "system", "content": "Help.\n\nBe brief.\n\nBe kind."}, USER]
    assert lost == []


def test_in_place_they_stay_as_they_are() -> None:
    messages, _ = sent(DEVELOPER, SYSTEM, USER, quirks=Quirks(), instructions="Help.")
    assert [message["role"] for message in messages] == ["developer", "developer", "system", "user"]


def test_parts_stay_parts() -> None:
    parts = [{"type": "input_text", "text": "A", "prompt_cache_breakpoint": {"mode": "explicit"}}]
    messages, _ = sent({"role": "system", "content": parts}, USER, quirks=placed("joined"), instructions="B")
    part = {"type": "text", "text": "A", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert messages[0] == {"role": "system", "content": [{"type": "text", "text": "B"}, part]}


def test_the_name_of_one_that_is_joined_is_a_loss() -> None:
    named = {**SYSTEM, "name": "boss"}
    messages, lost = sent(DEVELOPER, named, USER, quirks=placed("joined"))
    assert messages[0] == {"role": "system", "content": "Be brief.\n\nBe kind."}
    assert lost == [("input[1].name", "dropped: joined with the message before it")]


def test_a_later_one_stands_where_it_may() -> None:
    messages, lost = sent(USER, DEVELOPER, quirks=placed("joined"), instructions="Help.")
    assert [message["role"] for message in messages] == ["system", "user", "system"]
    assert lost == []


def test_a_later_one_is_marked_in_its_place_where_it_may_not() -> None:
    messages, lost = sent(USER, CALL, OUTPUT, DEVELOPER, SYSTEM, USER, quirks=placed("first_only"))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user", "user", "user"]
    assert messages[3]["content"] == "<system_message>\nBe brief.\n</system_message>"
    effect = "sent as a marked user message"
    assert lost == [("input[3]", effect), ("input[4]", effect)]


def test_a_marked_one_keeps_its_parts() -> None:
    late = {"role": "developer", "content": [{"type": "input_text", "text": "See:"}, IMAGE]}
    messages, _ = sent(USER, late, quirks=placed("first_only"))
    assert [part.get("text") for part in messages[1]["content"]] == [
        "<system_message>",
        "See:",
        None,
        "</system_message>",
    ]


@pytest.mark.parametrize("name", PROFILES)
def test_a_longer_history_begins_with_the_bytes_of_the_shorter(name: str) -> None:
    """Also with system messages in the middle: a changed start would invalidate the prompt cache."""
    quirks = profile(name)
    answer = {"role": "assistant", "content": "Yes."}
    turns: list[list[Json]] = [
        [DEVELOPER, USER],
        [answer, SYSTEM, USER],
        [CALL, OUTPUT],
        [DEVELOPER],
        [answer, USER],
    ]
    items: list[Json] = []
    before = b""
    for turn in turns:
        items += turn
        body = encode(write_request(read_request({"model": "m", "input": items}), Losses(), quirks))
        assert body.startswith(before)
        before = body.removesuffix(b"]}")


def test_an_assistants_message_stands_between_a_tools_and_the_next() -> None:
    quirks = placed("joined", assistant_after_tools="Understood.")
    shown = {**OUTPUT, "output": [IMAGE]}
    for last in ([shown], [OUTPUT, USER], [OUTPUT, DEVELOPER, USER]):
        messages, _ = sent(USER, CALL, *last, quirks=quirks)
        at = [message["role"] for message in messages].index("tool")
        assert messages[at + 1] == {"role": "assistant", "content": "Understood."}
    messages, _ = sent(USER, CALL, OUTPUT, quirks=quirks)
    assert messages[-1]["role"] == "tool"
    messages, _ = sent(USER, CALL, OUTPUT, {"role": "assistant", "content": "Yes."}, quirks=quirks)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
