"""`ChunkedSink`: writes a stream to the client's connection, as chunks of HTTP/1.1."""

from collections.abc import Callable

from chat2response.server.coalescing_transport import CoalescingTransport


def _drop(data: bytes) -> None:
    """Sends nothing: the response is complete, or the connection is lost."""


class ChunkedSink:
    """A `Sink` for one response, whose head is sent. The protocol calls `drain`, `mute` and `end`.

    An empty chunk would end the response. The first chunk goes out together with the head.
    """

    __slots__ = ("_callbacks", "_send", "_transport", "full")

    def __init__(self, transport: CoalescingTransport, full: bool) -> None:
        self._transport: CoalescingTransport | None = transport
        self._send: Callable[[bytes], None] = self._send_first
        self._callbacks: list[Callable[[], None]] = []
        self.full = full
        """Whether the connection buffers too much; the protocol sets it."""

    def write(self, data: bytes, /) -> None:
        """Sends `data` as one chunk."""
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Calls `callback` once: when the sink is not full (at once, if it is not), or ends."""
        if self.full:
            self._callbacks.append(callback)
        else:
            callback()

    def drain(self) -> None:
        """The connection has room again."""
        self.full = False
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def mute(self) -> None:
        """Drops all further writes, and the connection."""
        self._send = _drop
        self._transport = None

    def end(self) -> None:
        """Drops all further writes; whoever waits for room goes on."""
        self.mute()
        self.drain()

    def _send_first(self, chunk: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._send = transport.write_after_head  # first: the write may end the sink
        transport.write(chunk)
