"""Ids: a prefix that tells the kind, and 128 random bits (an id must not be guessable: law 7).

Prefixes: `resp` response, `msg` message, `rs` reasoning, `fc` function call, `call` call id, `chatcmpl`
completion, `req` request. Code that needs ids is given a source, so that tests can name them.
"""

import os
from collections.abc import Callable

Ids = Callable[[str], str]
"""A source of ids: `ids("msg")` -> `msg_...`, never the same twice."""

Clock = Callable[[], float]
"""Seconds since the epoch."""


def new_id(prefix: str) -> str:
    """`<prefix>_<32 hex digits>`. Safe in threads: taking from a list is one step."""
    try:
        return f"{prefix}_{_digits.pop()}"
    except IndexError:
        drawn = os.urandom(16 * _DRAWN).hex()  # a system call for each id would be a twentieth of a request
        _digits.extend(drawn[at : at + 32] for at in range(0, len(drawn), 32))
        return new_id(prefix)


_DRAWN = 128  # ids made at a time
_digits: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_digits.clear)  # or parent and child would make the same ids


def completion_id(response_id: str) -> str:
    """The Chat id of a response: the same digits, so that logs of both sides can be joined."""
    return f"chatcmpl-{response_id.removeprefix('resp_')}"
