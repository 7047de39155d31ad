"""`Fault`: why a stream stopped before its end."""

from dataclasses import dataclass
from typing import Literal

Cause = Literal["reset", "timeout", "cancel", "drain", "revoked", "too_large", "store"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stream stopped before its end. `message` is public: the terminal event contains it."""

    cause: Cause
    message: str


RESET = Fault("reset", "The upstream closed the connection before the answer was complete.")
TIMEOUT = Fault("timeout", "The upstream sent no data for too long.")
CANCELLED = Fault("cancel", "The client closed the connection.")
DRAINING = Fault("drain", "The gateway is shutting down. Retry the request.")
TOO_LARGE = Fault("too_large", "The upstream sent an event that is too large.")
STORE_DOWN = Fault("store", "The gateway could not record the answer. Retry the request.")
REVOKED = Fault("revoked", "The API key was revoked.")
