"""`Machine`: protocol logic with no I/O, and `Fault`: why a machine's source ended early.

A machine is fed one network read at a time and answers at once; it never raises on data. Whoever owns
the socket pumps it, so the same machine serves a socket, a test that cuts bytes at random, and a library
user. (The form is h11's.)
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

Cause = Literal["reset", "timeout", "cancel", "drain", "revoked", "too_large", "store"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stream stopped before its end. `message` is public: it reaches the client's terminal event."""

    cause: Cause
    message: str


RESET = Fault("reset", "The upstream closed the connection before the answer was complete.")
TIMEOUT = Fault("timeout", "The upstream sent nothing for too long.")
CANCELLED = Fault("cancel", "The client closed the connection.")
DRAINING = Fault("drain", "The gateway is shutting down; please retry.")
TOO_LARGE = Fault("too_large", "An event of the upstream's stream is too large.")
STORE_DOWN = Fault("store", "The gateway could not record the answer; please retry.")
REVOKED = Fault("revoked", "The API key was revoked.")


class Machine(Protocol[In_contra, Out_co]):
    """Bytes to frames, frames to calls on a writer, events to bytes."""

    done: bool
    """The source may be closed: nothing more is wanted from it (`[DONE]` was read, say)."""

    def feed(self, data: In_contra, /) -> Out_co:
        """Takes what one network read brought."""
        ...

    def close(self, fault: Fault | None = None, /) -> Out_co:
        """Ends it: the source reached its end, or `fault` tells what stopped it."""
        ...
