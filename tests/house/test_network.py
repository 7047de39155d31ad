"""The guard of `network.py` stands on every way out, and leaves loopback alone."""

import asyncio
import socket

import pytest
import uvloop

from tests.support.house import network

OUTSIDE = "192.0.2.1"  # TEST-NET-1: nobody's address


@pytest.fixture
def expect_refusal():
    """Take this test's own refusals off the list, after seeing that there was one."""
    yield
    assert network.refused == [f"{OUTSIDE}:9"]
    network.refused.clear()


@pytest.mark.usefixtures("expect_refusal")
@pytest.mark.parametrize("way", ["connect", "connect_ex", "create_connection"])
def test_python_sockets_refuse_to_leave(way):
    with socket.socket() as sock, pytest.raises(network.NetworkIsOff, match=OUTSIDE):
        if way == "create_connection":
            socket.create_connection((OUTSIDE, 9), timeout=1)
        else:
            getattr(sock, way)((OUTSIDE, 9))


@pytest.mark.usefixtures("expect_refusal")
def test_datagrams_refuse_to_leave():
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(network.NetworkIsOff):
        sock.sendto(b"x", (OUTSIDE, 9))


@pytest.mark.usefixtures("expect_refusal")
@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_event_loops_refuse_to_leave(new_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(network.NetworkIsOff):
        runner.run(asyncio.wait_for(asyncio.open_connection(OUTSIDE, 9), 1))


@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_unknown_names_do_not_resolve(new_loop):
    with (
        asyncio.Runner(loop_factory=new_loop) as runner,
        pytest.raises(socket.gaierror, match="network is off"),
    ):
        runner.run(asyncio.wait_for(asyncio.open_connection("upstream.invalid", 9), 1))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost"])
@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_loopback_stays_open(new_loop, host):
    async def echo():
        server = await asyncio.start_server(lambda _, writer: writer.close(), host, 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(echo())


def test_unix_sockets_stay_open():
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
