"""Ids: a prefix for the kind, and 128 random bits, so that nobody can guess one (law 7, tenants never meet).

Prefixes: `resp` response, `msg` message, `rs` reasoning, `fc` function call, `call` call id, `chatcmpl`
completion, `req` request. Code that needs ids gets a source of them, which tests replace.
"""

import os
from collections.abc import Callable

Ids = Callable[[str], str]
"""A source of unique ids: `ids("msg")` -> `msg_...`."""

Clock = Callable[[], float]
"""Seconds since the epoch."""


def new_id(prefix: str) -> str:
    """`<prefix>_<32 hex digits>`. Thread-safe: `list.pop` is atomic."""
    try:
        return f"{prefix}_{_digits.pop()}"
    except IndexError:
        digits = os.urandom(16 * _BATCH).hex()  # a system call for each id would take 5 % of a request
        _digits.extend([digits[at : at + 32] for at in range(0, len(digits), 32)])
        return new_id(prefix)


_BATCH = 128  # ids per system call
_digits: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_digits.clear)  # else parent and child would create the same ids


def completion_id(response_id: str) -> str:
    """The Chat id of a response. It has the same digits, so that logs of both sides can be joined."""
    return f"chatcmpl-{response_id.removeprefix('resp_')}"
