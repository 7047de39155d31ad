"""`Receiver`: what gets the body of a response, pushed as it arrives."""

from typing import Protocol

from chat2response.errors import UpstreamError
from chat2response.wire.fault import Fault


class StreamInterrupted(Exception):
    """The body ended before it was complete. `fault`: the cause."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Receiver(Protocol):
    """Is called inside the callback that read the bytes, so no method may raise.

    Inside `on_data` a receiver may pause the response, or stop it: then `on_end` is called before `on_data`
    returns.
    """

    def on_data(self, data: bytes, /) -> None:
        """Takes a piece of the body, never an empty one."""
        ...

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Is called once, after all data: the body is complete, interrupted, or cannot be decoded."""
        ...
