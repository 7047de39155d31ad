"""`Surface`: what a client speaks to, as a value: the API that it reads, and the one that it writes."""

from dataclasses import dataclass

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.dialects.responses.dialect import RESPONSES


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One endpoint of the data plane."""

    name: str
    """The name in metrics."""
    reads: Dialect
    writes: Dialect
    query_parameters: tuple[str, ...] = ()
    """The parameters that its query may have."""


CHAT_SURFACE = Surface("chat", CHAT, CHAT)
RESPONSES_SURFACE = Surface("responses", RESPONSES, RESPONSES)
PROXY = Surface("proxy", CHAT, RESPONSES, ("conversation_id", "previous_response_id"))
SURFACES = (CHAT_SURFACE, RESPONSES_SURFACE, PROXY)
