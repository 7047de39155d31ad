"""Random answers with unique markers, and changes that move whole events."""

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

from tests.support.e2e.scripted_model import Call, ModelReply

Events = list[dict[str, Any]]
Change = Callable[[Events, random.Random], Events]

_LETTERS = "abcdefghijklmnop"
_MARKER = re.compile(r"w\d+x")


def random_answer(rng: random.Random, first: int = 0) -> ModelReply:
    """A random answer whose words are unique markers such as `w12x`, so that a test can search for each.

    `first`: the first number of the markers.
    """
    numbers = iter(range(first + 10, 10_000))

    def markers(most: int) -> tuple[str, ...]:
        return tuple(f"w{next(numbers)}x " for _ in range(rng.randint(0, most)))

    def call(index: int) -> Call:
        whole = json.dumps({rng.choice(_LETTERS): f"w{next(numbers)}x" for _ in range(rng.randint(1, 3))})
        cuts = sorted(rng.sample(range(1, len(whole)), rng.randint(0, 3)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        return Call(f"tool{index}", tuple(pieces), f"call_{index}")

    answer = ModelReply(
        reasoning=markers(2), text=markers(4), calls=tuple(call(at) for at in range(rng.randint(0, 3)))
    )
    return answer if answer.text or answer.calls else ModelReply(text=("w9x",))


def markers_in(value: Any) -> list[str]:
    """The markers in a value; bytes are searched as text, everything else as JSON."""
    return _MARKER.findall(value.decode() if isinstance(value, bytes) else json.dumps(value))


def changed(events: Events, change: Change, rng: random.Random) -> Events:
    """A changed copy of the events, which share no values."""
    return change(json.loads(json.dumps(events)), rng)


# -- changes of whole events -------------------------------------------------------------------------


def swapped(events: Events, rng: random.Random) -> Events:
    """Swaps two events."""
    a, b = rng.randrange(len(events)), rng.randrange(len(events))
    events[a], events[b] = events[b], events[a]
    return events


def missing(events: Events, rng: random.Random) -> Events:
    """Drops an event."""
    del events[rng.randrange(len(events))]
    return events


def twice(events: Events, rng: random.Random) -> Events:
    """Repeats an event directly after itself."""
    at = rng.randrange(len(events))
    return [*events[: at + 1], copy.deepcopy(events[at]), *events[at + 1 :]]
