"""Events as dicts, as they are on the wire."""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.writer.events import Delta, Event


def as_dicts(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [event.as_dict() if isinstance(event, Delta) else event for event in events]
