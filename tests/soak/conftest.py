"""Fixtures of the loops: the run's size, the test's loop, and a scripted upstream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.e2e.conftest import _clean  # noqa: F401 - a fixture for every test here
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.loops import Dose, Loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the server uses."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def dose(pytestconfig: pytest.Config) -> Dose:
    """The size of this run, from the command line."""
    return Dose.read(pytestconfig.getoption("--rounds"), pytestconfig.getoption("--seed"))


@pytest.fixture
def loop(request: pytest.FixtureRequest, dose: Dose) -> Loop:
    """The loop of this test, named after it."""
    return Loop(request.node.name.removeprefix("test_").replace("uvloop-", ""), dose)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream without a script."""
    async with ScriptedUpstream() as scripted:
        yield scripted
