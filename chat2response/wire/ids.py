"""Ids: a prefix that tells the kind, and 128 random bits (an id must not be guessable: law 7).

Prefixes: `resp` response, `msg` message, `rs` reasoning, `fc` function call, `call` call id, `chatcmpl`
completion, `req` request. Code that needs ids is given a source, so that tests can name them.
"""

from collections.abc import Callable
from os import urandom

Ids = Callable[[str], str]
"""A source of ids: `ids("msg")` -> `msg_...`, never the same twice."""

Clock = Callable[[], float]
"""Seconds since the epoch."""


def new_id(prefix: str) -> str:
    """`<prefix>_<32 hex digits>`."""
    return f"{prefix}_{urandom(16).hex()}"


def completion_id(response_id: str) -> str:
    """The Chat id of a response: the same digits, so that logs of both sides can be joined."""
    return f"chatcmpl-{response_id.removeprefix('resp_')}"
