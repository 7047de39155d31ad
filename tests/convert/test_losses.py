"""Losses: one entry each, in order, and a header of limited length."""

import pytest

from chat2response.convert.losses import MAX_HEADER, MAX_LOSSES, Loss, Losses
from chat2response.errors import InvalidRequest


def test_losses_keep_their_order_and_are_said_once():
    losses = Losses()
    losses.add("seed")
    losses.add("max_tokens", "raised to 16")
    losses.add("seed")
    assert list(losses) == [Loss("seed"), Loss("max_tokens", "raised to 16")]
    assert len(losses) == 2
    assert losses.header() == "seed; dropped, max_tokens; raised to 16"


def test_without_losses_there_is_no_header():
    assert Losses().header() is None


def test_a_header_is_bounded_and_says_that_it_was():
    losses = Losses()
    for number in range(1000):
        losses.add(f"messages[{number}].name")
    header = losses.header()
    assert header is not None
    assert len(header) <= MAX_HEADER
    assert header.endswith("; dropped, ...")
    huge = Losses()
    huge.add("x" * 10_000)
    assert huge.header() == "..."


def test_losses_without_end_are_not_all_kept():
    losses = Losses()
    for number in range(MAX_LOSSES + 10):
        losses.add(str(number), "")
    assert len(losses) == MAX_LOSSES
    header = losses.header()
    assert header is not None
    assert header.endswith(", ...")


def test_a_header_is_plain_ascii_whatever_the_names():
    losses = Losses()
    losses.add('metadata.a,b\r\nx-evil: 1"é')
    assert losses.header() == r'metadata.a;b\u000d\u000ax-evil: 1"\u00e9; dropped'


@pytest.mark.parametrize(
    ("field", "effect", "shown"),
    [
        ("text.format", "described, not enforced", "text.format; described; not enforced"),
        ("metadata.größe", "dropped", r"metadata.gr\u00f6\u00dfe; dropped"),
        ("user’s “name” – it…", "dropped", 'user\'s "name" - it...; dropped'),
        ("metadata.\U0001f600", "dropped", r"metadata.\ud83d\ude00; dropped"),
        ("metadata.\ud800", "dropped", r"metadata.\ud800; dropped"),
    ],
)
def test_a_header_can_be_read(field: str, effect: str, shown: str) -> None:
    losses = Losses()
    losses.add(field, effect)
    assert losses.header() == shown


@pytest.mark.parametrize("field", ["seed", "messages[0].name", "tools[1]"])
def test_strict_refuses_the_first_and_names_it(field: str) -> None:
    losses = Losses("strict")
    with pytest.raises(InvalidRequest) as refused:
        losses.add(field)
    assert (refused.value.status, refused.value.param) == (400, field)
    assert field in refused.value.message and "x-chat2response-fidelity: warn" in refused.value.message


def test_strict_refuses_requests_and_no_answers() -> None:
    losses = Losses("strict").for_answer()
    losses.add("message.audio")
    assert losses.header() == "message.audio; dropped"


def test_what_was_lost_of_the_request_is_told_with_what_is_lost_of_the_answer() -> None:
    of_request = Losses()
    of_request.add("seed")
    losses = of_request.for_answer()
    losses.add("message.audio")
    assert losses.header() == "seed; dropped, message.audio; dropped"
    assert of_request.header() == "seed; dropped"


@pytest.mark.parametrize(
    "field",
    [
        "stop",
        "response_format",
        "text.format.name",
        "tools[0]",
        "tool_choice",
        "functions[0]",
        "messages[1].tool_calls[0].x",
    ],
)
def test_drop_tells_only_what_the_answer_depends_on(field: str) -> None:
    losses = Losses("drop")
    losses.add("seed")
    assert losses.header() is None
    losses.add(field, "emulated")
    assert losses.header() == f"{field}; emulated"
    assert [loss.field for loss in losses] == ["seed", field]  # for metric and log
    assert losses.for_answer().header() == f"{field}; emulated"
