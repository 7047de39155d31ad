"""Processes large JSON documents in a thread of their own, after a check of their size.

A call into C (decoding, encoding) holds the interpreter lock even in this thread, but between such calls, and
in Python code, the event loop runs again within milliseconds. One large document is processed at a time:
others wait, while small ones are processed at once.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeVar, TypeVarTuple

from chat2response.wire.json_size import MAX_CONTAINERS, SMALL_DOCUMENT, QuickCounter, StructureCounter

T = TypeVar("T")
Args = TypeVarTuple("Args")

MAX_ANSWER_CONTAINERS = 4 * MAX_CONTAINERS
"""The limit for an upstream's answer: the log probabilities of one token take about forty containers."""
_SLICE = 512 * 1024  # bytes counted before the event loop runs again
_QUICK_SLICE = 8 * 1024 * 1024  # the same, for the quick count


def is_large(document: bytes) -> bool:
    """Whether the document is processed in the thread."""
    return len(document) > SMALL_DOCUMENT


async def check_structure(document: bytes, max_containers: int = MAX_CONTAINERS) -> None:
    """Raises TooManyContainers or TooManyValues. Call this before you decode a large document."""
    if not is_large(document) or await _surely_fits(document, max_containers):
        return
    counter = StructureCounter(max_containers)
    for at in range(0, len(document), _SLICE):
        counter.feed(document[at : at + _SLICE])
        await asyncio.sleep(0)


async def _surely_fits(document: bytes, max_containers: int) -> bool:
    counter = QuickCounter(document, max_containers)
    for at in range(0, len(document), _QUICK_SLICE):
        if not counter.count(at, at + _QUICK_SLICE):
            return False
        await asyncio.sleep(0)
    return True


async def run_in_thread(work: Callable[[*Args], T], *args: *Args) -> T:
    """Runs `work` in the thread for large documents."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), partial(work, *args))


async def run_in_thread_if(large: bool, work: Callable[[*Args], T], *args: *Args) -> T:
    """Runs `work` in the thread if it is large, else at once."""
    return await run_in_thread(work, *args) if large else work(*args)


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    """Created on first use, which is after the fork of a worker."""
    return ThreadPoolExecutor(1, thread_name_prefix="large-json")
