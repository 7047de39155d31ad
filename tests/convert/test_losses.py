"""Losses: one entry each, in order, and a header that cannot grow without bound."""

from chat2response.convert.losses import MAX_HEADER, MAX_LOSSES, Loss, Losses


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
    assert losses.header() == 'metadata.a?b??x-evil: 1"?; dropped'
