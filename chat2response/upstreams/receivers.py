"""Receivers before the reader of an answer: one detects the kind of the body, one masks the gateway's key."""

from chat2response.errors import UpstreamError
from chat2response.net.transport import HttpResponse, Receiver, StreamInterrupted
from chat2response.observe.secrets import Secret, SecretFilter
from chat2response.upstreams.base import OnKind
from chat2response.wire.content_sniffing import Kind, sniff_content


class KindSniffer:
    """Reads a body until its kind is known, pauses the response, and puts back what it has read."""

    __slots__ = ("_known", "_on_kind", "_response", "_start")

    def __init__(self, response: HttpResponse, on_kind: OnKind) -> None:
        """`on_kind`: is called once, and may push the response to another receiver."""
        self._response = response
        self._on_kind = on_kind
        self._start = b""
        self._known = False

    def on_data(self, data: bytes, /) -> None:
        """Looks at the first bytes."""
        self._start += data
        kind = sniff_content(self._start)
        if kind is not None:
            self._finish(kind)

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Decides by what has arrived, if it has not. The next receiver gets the same end."""
        if not self._known:
            self._finish(None if error is not None else sniff_content(self._start, ended=True) or "other")

    def _finish(self, kind: Kind | None) -> None:
        self._known = True
        self._response.pause()
        if self._start:
            self._response.put_back(self._start)
        self._on_kind(kind)


class SecretRemover:
    """Passes a stream to `receiver` without a secret."""

    __slots__ = ("_filter", "_receiver", "_response")

    def __init__(self, response: HttpResponse, secret: Secret, receiver: Receiver) -> None:
        self._response = response
        self._filter = SecretFilter(secret)
        self._receiver = receiver

    def on_data(self, data: bytes, /) -> None:
        """Passes on what cannot be a part of the secret."""
        data = self._filter.feed(data)
        if data:
            self._receiver.on_data(data)

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Passes on the rest of a complete body, then its end, which waits if the rest makes it pause."""
        if error is None and (rest := self._filter.close()):
            self._response.put_back(rest)
            self._response.push(self._receiver)
        else:
            self._receiver.on_end(error)
