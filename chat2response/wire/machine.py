"""`Machine` is protocol logic without I/O (like h11).

A machine takes one network read at a time and returns its result at once. It never raises on data. The owner
of the socket drives it, so the same machine serves a socket, a test that cuts bytes at random, and a library
user.
"""

from typing import Protocol, TypeVar

from chat2response.wire.fault import Fault

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


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
