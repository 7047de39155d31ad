"""`CallDelta`: a piece of a call, as a reader passes it to a writer."""

from collections.abc import Hashable
from typing import Literal

from chat2response.wire.values import Struct

CallKind = Literal["function", "custom"]
"""A function takes JSON arguments; a custom tool takes any text as its input."""


class CallDelta(Struct, frozen=True, gc=False):
    """A piece of a call. A Struct, because one is created for each piece of the arguments."""

    slot: Hashable
    """The reader's handle of the call, unique within the turn."""
    kind: CallKind = "function"
    """The first piece decides it."""
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    delta: str = ""
    """A piece of the arguments or the input."""
    last: bool = False
    """The call is complete."""
    id: str | None = None
    """The upstream's id of the item; the response reuses it."""
