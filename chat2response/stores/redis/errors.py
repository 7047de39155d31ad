"""What it means when a Redis answers, but does not take a write, and what its operator can do."""

from collections.abc import Mapping
from typing import Any

import redis.exceptions as faults

# Codes are found anywhere in the text: Redis 6.2 puts its own words in front of those of a script's command.
_CODES: dict[type[Exception], str] = {  # redis-py takes these out of the text
    faults.ReadOnlyError: "READONLY",
    faults.OutOfMemoryError: "OOM",
    faults.NoPermissionError: "NOPERM",
}
_READ_ONLY = ("READONLY", "previous master is now a slave")  # the second is redis-py's, with Sentinels
_ADVICE = {
    "READONLY": "It is a replica and takes no writes: let the store's address lead to the primary",
    "previous master": "A replica became primary: the next call asks the Sentinels for it",
    "OOM": "It is full: raise maxmemory, or remove what else is kept there",
    "MISCONF": "It cannot write to its own disk: free space there, and see Redis's log",
    "NOREPLICAS": "Too few replicas are connected (min-replicas-to-write): start them, or lower that setting",
    "NOPERM": "The user in the store's address may not do this: see Redis's ACLs",
    "WRONGPASS": "Check user and password in the store's address",
    "NOAUTH": "Put user and password into the store's address",
}


def is_read_only(error: Exception) -> bool:
    """Whether a server that was demoted has refused a write; nothing was done then."""
    text = _text(error)
    return any(word in text for word in _READ_ONLY)


def advice(error: Exception) -> str | None:
    """A sentence for the operator; None where the error is all there is to say."""
    text = _text(error)
    return next((f"{told}." for word, told in _ADVICE.items() if word in text), None)


def _text(error: Exception) -> str:
    return f"{_CODES.get(type(error), '')} {error}"


def evicts(name: str, memory: Mapping[str, Any]) -> list[str]:
    """A warning where Redis may forget what it was told to keep; `memory`: its INFO of that name.

    Of a cluster it is one server's.
    """
    policy = memory.get("maxmemory_policy")
    if not isinstance(policy, str) or policy == "noeviction":
        return []
    warning = (
        f"the store at {name} may forget keys and what they used: its maxmemory-policy is {policy}. "
        "Set it to noeviction"
    )
    return [warning]
