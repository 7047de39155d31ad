"""`HubRequest`: the form of a request inside the gateway, whatever its dialect.

Reading a request into the hub loses nothing. `body` is a Responses request. What the Responses API cannot
represent is stored in `extra` under the client's own names (`stop`, `seed`, `logit_bias`, vendor fields), and
on items and parts under the Chat key (`name` of a message, a part of type `input_audio`). Losses are decided
when the request is written to a backend, and named by the client's own paths: see `field()` and
`item_path()`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any

from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.reasoning.sealed_reasoning import Seal
from chat2response.wire.responses import ResponsesRequest

_TYPE = methodcaller("get", "type")


@dataclass(
    slots=True
)  # not frozen: one is created for each call, and freezing would more than double the cost
class HubRequest:
    """Read only, and so is `body`, which may be the client's own object."""

    body: ResponsesRequest
    dialect: str
    """The name of the client's API, which its paths belong to."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[int] = ()
    """From an API with messages: for each input item, the index of its message."""
    names: Mapping[str, str] = field(default_factory=dict)
    """From Chat: the client's name for a Responses field (`max_output_tokens` -> `max_tokens`)."""
    legacy: bool = False
    """From Chat: the request uses the deprecated `functions`, so calls are answered as `function_call`."""
    form: ReasoningForm = "content"
    """Where this client reads reasoning."""
    seal: Seal | None = None
    """Opens the sealed reasoning that this client sends back, and seals what it gets."""

    _kinds: frozenset[Any] | None = field(default=None, init=False, repr=False, compare=False)

    def item_kinds(self) -> frozenset[Any]:
        """The types of the input items, None for one without a type: most requests have no rare ones."""
        if self._kinds is None:
            items: Any = self.body.get("input")
            types = map(_TYPE, items) if type(items) is list else ()
            try:
                self._kinds = frozenset(types)
            except (AttributeError, TypeError):  # an item that is no object, or a type that is no text
                objects = [item for item in items if type(item) is dict]
                self._kinds = frozenset([kind for kind in map(_TYPE, objects) if type(kind) is str])
        return self._kinds

    def field(self, name: str) -> str:
        """The client's own name for the Responses field `name`."""
        return self.names.get(name, name)

    def item_path(self, index: int) -> str:
        """The client's own path to the input item at `index`."""
        if self.rows:
            return f"messages[{self.rows[index]}]"
        return f"input[{index}]"
