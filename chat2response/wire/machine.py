"""`Machine` is protocol logic without I/O (like h11); `Fault` says why its source ended early.

A machine takes one network read at a time and returns its result at once. It never raises on data. The owner
of the socket drives it, so the same machine serves a socket, a test that cuts bytes at random, and a library
user.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

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
STORE_DOWN = Fault("store", "The gateway could not store the answer. Retry the request.")
REVOKED = Fault("revoked", "The API key was revoked.")


class Machine(Protocol[In_contra, Out_co]):
    """A step such as bytes to frames, frames to calls of a writer, events to bytes."""

    done: bool
    """No more input is needed (after `[DONE]`, for example): the source may be closed."""

    def feed(self, data: In_contra, /) -> Out_co:
        """Processes the data of one network read."""
        ...

    def close(self, fault: Fault | None = None, /) -> Out_co:
        """Ends the input: the source reached its end, or `fault` says what stopped it."""
        ...
