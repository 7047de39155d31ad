"""`HubRequest`: a request inside the house, whatever dialect it came in.

Entering loses nothing. `body` is a Responses request; what the Responses API cannot say rides in `extra`
under the client's own names (`stop`, `seed`, `logit_bias`, vendor fields), and on items and parts under
the Chat key (`name` of a message, a part of type `input_audio`). What is lost is decided where the hub is
left, and named in the client's words: `field()` and `item_path()` give those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chat2response.convert.sealed_reasoning import Seal
from chat2response.wire.responses import ResponsesRequest

Dialect = Literal["chat", "responses"]


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class HubRequest:
    """A conversation on its way. Never written to, nor is `body`, which may be the client's own object."""

    body: ResponsesRequest
    dialect: Dialect
    extra: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[int] = ()
    """From Chat: for each input item, the index of the message it came from."""
    names: Mapping[str, str] = field(default_factory=dict)
    """From Chat: the client's name for a Responses field (`max_output_tokens` -> `max_tokens`)."""
    legacy: bool = False
    """From Chat: its tools are the deprecated `functions`, so a call is answered as `function_call`."""
    seal: Seal | None = None
    """What opens the reasoning that this client gives back, and closes what it gets."""

    def field(self, name: str) -> str:
        """The client's own name for the Responses field `name`."""
        return self.names.get(name, name)

    def item_path(self, index: int) -> str:
        """The client's own path of the input item at `index`."""
        if self.dialect == "chat":
            return f"messages[{self.rows[index]}]"
        return f"input[{index}]"
