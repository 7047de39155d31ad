"""The memory for request bodies: a total limit, and a quarter of it for each client."""

import pytest

from chat2response.api.http.body_buffers import BodyBuffers
from chat2response.errors import Unavailable


def test_who_comes_when_there_is_no_room_is_told_to_come_again() -> None:
    buffers = BodyBuffers(400)
    for number in range(4):
        buffers.allocation(f"key{number}").add(100)

    with pytest.raises(Unavailable) as refused:
        buffers.allocation("another").add(1)

    assert refused.value.status == 503
    assert refused.value.code == "server_busy"
    assert int(refused.value.headers["retry-after"]) >= 1
    assert buffers.size == 400


def test_one_client_has_a_quarter_and_leaves_the_rest_to_others() -> None:
    buffers = BodyBuffers(400)
    greedy = [buffers.allocation("key") for _ in range(2)]
    greedy[0].add(100)
    with pytest.raises(Unavailable) as refused:
        greedy[1].add(1)

    assert "100 bytes" in refused.value.message
    buffers.allocation("another").add(100)
    buffers.allocation(None).add(200)  # nobody's: only the sum bounds it
    assert (buffers.size, buffers.of("key")) == (400, 100)


def test_a_refused_piece_takes_nothing() -> None:
    buffers = BodyBuffers(400)
    allocation = buffers.allocation("key")
    with pytest.raises(Unavailable):
        allocation.add(101)
    assert (buffers.size, buffers.of("key"), allocation.size) == (0, 0, 0)


def test_what_is_given_back_is_there_again() -> None:
    buffers = BodyBuffers(400)
    allocation = buffers.allocation("key")
    for _ in range(3):
        allocation.add(60)
        allocation.add(40)
        allocation.release(60)
        assert buffers.size == 40
        allocation.release()
        allocation.release()
        assert (buffers.size, buffers.of("key")) == (0, 0)
