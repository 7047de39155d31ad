"""Large documents do not block the event loop: they are counted in slices and processed in a thread."""

import asyncio
import threading

import pytest

from chat2response.wire import large_documents
from chat2response.wire.json_size import MAX_CONTAINERS, SMALL_DOCUMENT, TooManyContainers
from chat2response.wire.large_documents import check_structure, is_large, run_in_thread, run_in_thread_if


async def test_the_loop_has_turns_while_a_document_is_counted() -> None:
    """Brackets in a string require the exact count, which lets the event loop run after each slice."""
    document = b'["' + b"[" * (4 * large_documents._SLICE) + b'"]'
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count_turns())
    await check_structure(document)
    counting.cancel()

    assert turns >= 4


async def test_counting_ends_where_there_is_too_much() -> None:
    document = b"[" * (MAX_CONTAINERS + 1)
    with pytest.raises(TooManyContainers) as refused:
        await check_structure(document + b" " * large_documents._SLICE)
    assert refused.value.limit == MAX_CONTAINERS


async def test_the_loop_goes_on_while_a_large_document_is_worked_on() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(number: int) -> int:
        begun.set()
        assert go_on.wait(10), "the loop stood still"
        return number + 1

    task = asyncio.ensure_future(run_in_thread(work, 1))
    while not begun.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0)
    go_on.set()

    assert await task == 2


async def test_an_error_of_the_work_is_the_callers() -> None:
    def fail() -> None:
        raise KeyError("it")

    with pytest.raises(KeyError):
        await run_in_thread(fail)


async def test_what_is_small_stays_in_the_loop() -> None:
    assert await run_in_thread_if(False, threading.get_ident) == threading.get_ident()
    assert await run_in_thread_if(True, threading.get_ident) != threading.get_ident()
    assert is_large(b" " * (SMALL_DOCUMENT + 1)) and not is_large(b" " * SMALL_DOCUMENT)
