"""Bounds and decodes the whole JSON answers of an upstream."""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.size_limit import MAX_OUTPUT, check_json_weight
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, decode_with_repairs
from chat2response.wire.json_repair import Repair
from chat2response.wire.json_size import TooManyContainers
from chat2response.wire.large_documents import (
    MAX_ANSWER_CONTAINERS,
    check_structure,
    is_large,
    run_in_thread,
)


async def decode_answer(answer: bytes, max_output: int = MAX_OUTPUT) -> tuple[Any, Sequence[Repair]]:
    """The decoded JSON answer, and the repairs that it needed; a large one is decoded in a thread.

    Raises UpstreamError, also for an answer that takes more than `max_output` bytes of memory.
    """
    check_json_weight(answer, MAX_ANSWER_CONTAINERS, max_output)
    try:
        if not is_large(answer):
            return decode_with_repairs(answer)
        await check_answer(answer)
        return await run_in_thread(decode_with_repairs, answer)
    except JSONError as error:
        raise UpstreamError("The upstream's answer cannot be read.", internal=str(error)) from None


async def check_answer(answer: bytes) -> None:
    """Raises UpstreamError if the answer has more containers than allowed."""
    if not is_large(answer):
        return
    try:
        await check_structure(answer, MAX_ANSWER_CONTAINERS)
    except TooManyContainers as error:
        raise UpstreamError(
            f"The upstream's answer has more than {error.limit} {error.what}.", code="upstream_too_large"
        ) from None
