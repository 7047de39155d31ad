"""What the loops stand on: the run's dose, one loop of it by the test's name, and a scripted upstream."""

from collections.abc import AsyncIterator

import pytest

from tests.soak.loops import Dose, Loop
from tests.upstream import ScriptedUpstream


@pytest.fixture(scope="session")
def dose(pytestconfig: pytest.Config) -> Dose:
    """How much this run takes."""
    return Dose.read(pytestconfig.getoption("--rounds"), pytestconfig.getoption("--seed"))


@pytest.fixture
def loop(request: pytest.FixtureRequest, dose: Dose) -> Loop:
    """This test's loop."""
    return Loop(request.node.name.removeprefix("test_"), dose)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream that has nothing to say yet."""
    async with ScriptedUpstream() as scripted:
        yield scripted
