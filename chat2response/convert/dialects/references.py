"""`Reference`: the id of a stored object in a request."""

from collections.abc import Callable
from dataclasses import dataclass

from chat2response.convert.validation import invalid_value
from chat2response.errors import InvalidRequest, NotFound

MAX_IDS = 10_000  # ids per request: all of them are looked up at once

Refusal = Callable[[str], InvalidRequest | NotFound]


@dataclass(frozen=True, slots=True)
class Reference:
    """One id. `must_own`: an id without an owner is rejected, too. `refusal`: makes the error for an unknown
    id.
    """

    id: str
    refusal: Refusal
    must_own: bool = True


def unknown_item(id: str) -> NotFound:
    """404: the item is unknown or belongs to another tenant."""
    return NotFound(f"Item with id '{id}' not found.", param="input")


def too_many_ids(count: int) -> InvalidRequest:
    """400: the request names more ids than one look-up allows."""
    return invalid_value(
        "input",
        f"The request names {count} ids, but at most {MAX_IDS} may be named. Omit those of items sent whole.",
        "too_many_references",
    )
