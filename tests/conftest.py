"""What every test stands on: no network but loopback, injected time and ids, and `--no-skips` for CI."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.clock_and_ids import Clock, Ids
from tests.support.house import network

pytest_plugins = [
    "tests.support.house.no_skips",
    "tests.support.outbound_proxy",
    "tests.support.redis_server",
    "tests.support.redis_topologies",
]

# On two shared cores an example's wall time says nothing. In CI hypothesis derandomises by itself.
settings.register_profile("house", parent=settings(), deadline=None)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rounds", default="2", help="How often what happens at random is tried (make soak: 200)."
    )
    parser.addoption(
        "--seed",
        default="1",
        help="What chance is drawn from in tests/soak: a number; 7:113 starts seed 7 at its input 113; new.",
    )
    parser.addoption("--write-golden", action="store_true", help="Write the answers in tests/golden anew.")


def pytest_configure() -> None:
    network.switch_off()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):  # they lead away from what tests ask
        for spelled in (name, name.upper()):
            os.environ.pop(spelled, None)


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    """Fail a test that reached for the network, even where the code under test swallowed the refusal."""
    network.refused.clear()
    yield
    assert not network.refused, f"the network is off in tests, yet this one reached for {network.refused}"


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until `clock.advance(seconds)`."""
    return Clock()


@pytest.fixture
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """`store_address("memory" | "sqlite" | "redis")`: the address of a store that is empty to begin with."""

    def address(kind: str) -> str:
        if kind == "redis":
            server = request.getfixturevalue("redis_server")
            return str(server.unix)
        return f"sqlite:{tmp_path / 'keys.db'}" if kind == "sqlite" else kind

    return address


@pytest.fixture
def ids() -> Ids:
    """An id source that counts: `msg_0001`, `msg_0002`."""
    return Ids()
