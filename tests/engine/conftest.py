"""The scene of the engine's tests."""

from collections.abc import Iterator

import pytest

from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.scene import Scene


@pytest.fixture
def scene(clock: Clock, ids: Ids) -> Iterator[Scene]:
    scene = Scene(clock, ids)
    yield scene
    scene.check()
