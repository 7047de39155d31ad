"""Calls over hand-driven sockets, of which nothing is left after a test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from tests.support.engine.hand_driven import HandDriven, HandUpstream
from tests.support.engine.scene import Scene

Open = Callable[..., HandDriven]


@pytest_asyncio.fixture
async def drive(scene: Scene) -> AsyncIterator[Open]:
    """`drive(way, ...)`: a call that is not entered yet."""
    upstreams: list[HandUpstream] = []

    def drive(way: str, **options: Any) -> HandDriven:
        driven = HandDriven(scene, way, **options)
        upstreams.append(driven.upstream)
        return driven

    yield drive
    for upstream in upstreams:
        await upstream.transport.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
