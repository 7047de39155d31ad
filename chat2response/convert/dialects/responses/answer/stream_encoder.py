"""`ResponsesEncoder`: encodes events as a Responses stream: SSE frames whose `event:` repeats the type.

The bytes of a delta are the same for all deltas of one stream, except the text and the number; so the rest is
built once per stream. One call encodes one batch into one bytes object.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.client_profiles import ClientProfile, ProfileAdapter
from chat2response.convert.writer.events import TEXT, Delta, Event, Stream
from chat2response.wire.json import Fragment, encode, encode_text
from chat2response.wire.responses import EventDict
from chat2response.wire.sse import DONE_FRAME


class ResponsesEncoder:
    """Encodes batches of events as bytes. `[DONE]` follows a terminal event."""

    media_type = "text/event-stream"

    def __init__(self) -> None:
        self._snapshot: tuple[Any, Any] = (None, None)  # a response object, and its bytes

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames of a batch."""
        if len(events) == 1 and type(events[0]) is Delta:
            return _delta(events[0])  # what most reads bring
        return b"".join([_delta(e) if type(e) is Delta else self._event(e) for e in events])  # type: ignore[arg-type]

    def _event(self, event: EventDict) -> bytes:
        kind: str = event["type"]
        if "response" not in event:
            return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode(event))
        body = {**event, "response": self._resource(event["response"])}
        frame = b"event: %b\ndata: %b\n\n" % (kind.encode(), encode(body))
        return frame + DONE_FRAME if kind in _TERMINAL else frame

    def _resource(self, response: Any) -> Any:
        """The encoded response; `created` and `in_progress` share one object, so its bytes are used twice."""
        known, written = self._snapshot
        if known is response:
            self._snapshot = (None, None)
            return written
        self._snapshot = (response, Fragment(encode(response)))
        return self._snapshot[1]


class ProfiledEncoder(ResponsesEncoder):
    """Encodes for a client with a profile of its own; deltas are encoded like any other event."""

    def __init__(self, client: ClientProfile) -> None:
        super().__init__()
        self._suited = ProfileAdapter(client)

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames of a batch."""
        plain = (each.as_dict() if type(each) is Delta else each for each in events)
        return super().encode([adapted for each in plain for adapted in self._suited(each)])  # type: ignore[arg-type]


_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


def _delta(delta: Delta) -> bytes:
    stream = delta.stream
    head = stream.head
    if head is None:
        head = stream.head = _head(stream)
    if delta.logprobs:
        tail = b',"logprobs":%b' % encode(list(delta.logprobs))
    else:
        tail = b',"logprobs":[]' if stream.kind is TEXT else b""
    return b'%b%b%b,"sequence_number":%d}\n\n' % (head, encode_text(delta.text), tail, delta.sequence_number)


def _head(stream: Stream) -> bytes:
    kind = stream.kind.delta
    opening = encode({"type": kind, **stream.position()})[:-1]
    return b'event: %b\ndata: %b,"delta":' % (kind.encode(), opening)
