"""Whole JSON answers of an upstream: bounded like a client's bodies, then decoded."""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.size_limit import MAX_OUTPUT, check_weight, weigh_json
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, decode_with_repairs
from chat2response.wire.json_repair import Repair
from chat2response.wire.json_size import TooManyContainers
from chat2response.wire.large_documents import (
    MAX_ANSWER_CONTAINERS,
    check_structure,
    is_large,
    run_in_thread_if,
)


async def decoded(answer: bytes, most: int = MAX_OUTPUT) -> tuple[Any, Sequence[Repair]]:
    """A whole JSON answer, and what was mended in it; a large one is bounded, and decoded beside the loop.

    Raises UpstreamError, also for one that takes more than `most` bytes to keep.
    """
    await check_answer(answer)
    check_weight(weigh_json(answer, MAX_ANSWER_CONTAINERS), most)
    try:
        return await run_in_thread_if(is_large(answer), decode_with_repairs, answer)
    except JSONError as error:
        raise UpstreamError("The upstream's answer cannot be read.", internal=str(error)) from None


async def check_answer(answer: bytes) -> None:
    """Raises UpstreamError for more containers than an answer may have."""
    if not is_large(answer):
        return
    try:
        await check_structure(answer, MAX_ANSWER_CONTAINERS)
    except TooManyContainers as error:
        raise UpstreamError(
            f"The upstream's answer has more than {error.limit} {error.what}.", code="upstream_too_large"
        ) from None
