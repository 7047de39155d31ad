"""The room for request bodies: a bound on all of them, a quarter of it for one client."""

import pytest

from chat2response.api.http.body_buffers import Buffers
from chat2response.errors import Unavailable


def test_who_comes_when_there_is_no_room_is_told_to_come_again() -> None:
    buffers = Buffers(400)
    for number in range(4):
        buffers.hold(f"key{number}").add(100)

    with pytest.raises(Unavailable) as refused:
        buffers.hold("another").add(1)

    assert refused.value.status == 503
    assert refused.value.code == "server_busy"
    assert int(refused.value.headers["retry-after"]) >= 1
    assert buffers.size == 400


def test_one_client_has_a_quarter_and_leaves_the_rest_to_others() -> None:
    buffers = Buffers(400)
    greedy = [buffers.hold("key") for _ in range(2)]
    greedy[0].add(100)
    with pytest.raises(Unavailable) as refused:
        greedy[1].add(1)

    assert "100 bytes" in refused.value.message
    buffers.hold("another").add(100)
    buffers.hold(None).add(200)  # nobody's: only the sum bounds it
    assert (buffers.size, buffers.of("key")) == (400, 100)


def test_a_refused_piece_takes_nothing() -> None:
    buffers = Buffers(400)
    hold = buffers.hold("key")
    with pytest.raises(Unavailable):
        hold.add(101)
    assert (buffers.size, buffers.of("key"), hold.size) == (0, 0, 0)


def test_what_is_given_back_is_there_again() -> None:
    buffers = Buffers(400)
    hold = buffers.hold("key")
    for _ in range(3):
        hold.add(60)
        hold.add(40)
        hold.release(60)
        assert buffers.size == 40
        hold.release()
        hold.release()
        assert (buffers.size, buffers.of("key")) == (0, 0)
