"""Errors of a Redis that refuses a write or a login, and the advice for the operator."""

from collections.abc import Mapping
from typing import Any

import redis.exceptions as faults

# A code may be anywhere in the text: Redis 6.2 puts text in front of the error of a script's command.
_CODES: dict[type[Exception], str] = {  # redis-py removes these from the text
    faults.ReadOnlyError: "READONLY",
    faults.OutOfMemoryError: "OOM",
    faults.NoPermissionError: "NOPERM",
}
_READ_ONLY = ("READONLY", "previous master is now a slave")  # the second text is redis-py's, with Sentinels
_ADVICE = {
    "READONLY": "Redis is a read-only replica. Change the store's address to the primary",
    "previous master": "A replica has become primary. The next call asks the Sentinels for it",
    "OOM": "Redis is out of memory. Raise maxmemory, or remove other data from it",
    "MISCONF": "Redis cannot write to its disk. Free disk space, and check Redis's log",
    "NOREPLICAS": "Redis has too few connected replicas. Start them, or lower min-replicas-to-write",
    "NOPERM": "The user in the store's address lacks a permission. Check Redis's ACLs",
    "WRONGPASS": "Check the user and password in the store's address",
    "NOAUTH": "Add a user and password to the store's address",
}


def is_read_only(error: Exception) -> bool:
    """Whether a demoted server has refused a write; then nothing was changed."""
    text = _text(error)
    return any(code in text for code in _READ_ONLY)


def advice(error: Exception) -> str | None:
    """What the operator can do, in one or two sentences; None if the error says it all."""
    text = _text(error)
    return next((f"{sentence}." for code, sentence in _ADVICE.items() if code in text), None)


def _text(error: Exception) -> str:
    return f"{_CODES.get(type(error), '')} {error}"


def eviction_warnings(name: str, memory: Mapping[str, Any]) -> list[str]:
    """A warning if Redis may evict keys. `memory`: the INFO section of that name (of one server)."""
    policy = memory.get("maxmemory_policy")
    if not isinstance(policy, str) or policy == "noeviction":
        return []
    warning = (
        f"the store at {name} may lose API keys and their counted use: its maxmemory-policy is {policy}. "
        "Set it to noeviction"
    )
    return [warning]
