"""Reads the few keys of a body that decide how it is handled, without decoding the others.

A relayed body is never decoded as a whole, because agents often send histories of a megabyte.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from chat2response.wire.json import JSONError, decode, decoder
from chat2response.wire.reference_scan import read_plain_request


class ChatPeek(msgspec.Struct, gc=False):
    """A Chat request."""

    model: Any = None
    stream: Any = None
    store: Any = None
    n: Any = None

    @property
    def stored(self) -> bool:
        """Whether the upstream stores the answer."""
        return self.store is True

    @property
    def choices(self) -> int:
        """The number of choices requested."""
        return self.n if type(self.n) is int else 1

    @property
    def ids(self) -> Sequence[str]:
        """The ids of input items: messages have none."""
        return ()


class ResponsesPeek(msgspec.Struct, gc=False):
    """A Responses request.

    `ids`: the ids of the input items, if the request is plain (see `reference_scan`). None: only decoding the
    whole request shows what stored objects it refers to.
    """

    model: Any = None
    stream: Any = None
    store: Any = None
    ids: list[str] | None = None

    @property
    def stored(self) -> bool:
        """Whether the upstream stores the answer."""
        return self.store is not False

    @property
    def choices(self) -> int:
        """The number of choices: a response has one."""
        return 1


class _Keys(msgspec.Struct, gc=False):
    model: Any = None
    stream: Any = None
    store: Any = None


class AnswerPeek(msgspec.Struct, gc=False):
    """A whole answer of either API."""

    object: Any = None
    usage: Any = None
    status: Any = None


_read_answer = decoder(AnswerPeek)
_read_chat = decoder(ChatPeek)
_read_keys = decoder(_Keys)


def peek_chat(body: bytes) -> ChatPeek:
    """The keys of a Chat body. Raises JSONError, and TypeError if it is not an object."""
    try:
        return _read_chat(body)
    except JSONError:
        fields = _fields(body)
        return ChatPeek(*(fields.get(name) for name in ChatPeek.__struct_fields__))


def peek_responses(body: bytes) -> ResponsesPeek:
    """The keys of a Responses body. Raises JSONError, and TypeError if it is not an object."""
    plain = read_plain_request(body)
    if plain is not None:
        return ResponsesPeek(*plain)
    try:
        keys = _read_keys(body)
    except JSONError:
        _fields(body)
        raise
    return ResponsesPeek(keys.model, keys.stream, keys.store)


def peek_answer(body: bytes) -> AnswerPeek:
    """The keys of a whole answer; all None if it is not a JSON object."""
    try:
        return _read_answer(body)
    except JSONError:
        return AnswerPeek()


def _fields(body: bytes) -> dict[str, Any]:
    value = decode(body)
    if type(value) is not dict:
        raise TypeError("not an object")
    return value
