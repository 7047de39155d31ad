"""Large documents, kept off the event loop: bounded first, then worked on in a thread of their own.

A call into C (decoding, encoding) holds the interpreter in any thread, so in this one too it is a turn of its
own; between such calls, and everywhere in Python code, the loop gets its turn within milliseconds. One large
document is worked on at a time: the others wait, small ones pass them.
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
"""Of an upstream's answer: the log probabilities of one token are some forty containers."""
_SLICE = 512 * 1024  # bytes counted in one turn of the loop
_QUICK_SLICE = 8 * 1024 * 1024  # the same, where they are only searched


def is_large(document: bytes) -> bool:
    """Whether it is worked on apart from the loop."""
    return len(document) > SMALL_DOCUMENT


async def check_structure(document: bytes, max_containers: int = MAX_CONTAINERS) -> None:
    """Raises TooManyContainers or TooManyValues. Decode no document that is large before this."""
    if not is_large(document) or await _surely_fits(document, max_containers):
        return
    counter = StructureCounter(max_containers)
    for at in range(0, len(document), _SLICE):
        counter.feed(document[at : at + _SLICE])
        await asyncio.sleep(0)


async def _surely_fits(document: bytes, max_containers: int) -> bool:
    marks = QuickCounter(document, max_containers)
    for at in range(0, len(document), _QUICK_SLICE):
        if not marks.count(at, at + _QUICK_SLICE):
            return False
        await asyncio.sleep(0)
    return True


async def run_in_thread(work: Callable[[*Args], T], *args: *Args) -> T:
    """What `work` returns or raises, done in the thread for large documents."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), partial(work, *args))


async def run_in_thread_if(large: bool, work: Callable[[*Args], T], *args: *Args) -> T:
    """The same, but at once where nothing large is in it."""
    return await run_in_thread(work, *args) if large else work(*args)


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    """Made when it is first needed, which is after a worker's fork."""
    return ThreadPoolExecutor(1, thread_name_prefix="large-json")
