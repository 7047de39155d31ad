"""The gateway and the scripted upstream of `tests/e2e`."""

from tests.e2e.conftest import _clean, pytest_asyncio_loop_factories, start, upstream

__all__ = ["_clean", "pytest_asyncio_loop_factories", "start", "upstream"]
