"""What changes are made of: answers of chance, whose words can be looked for, and moves of whole events."""

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
_WORD = re.compile(r"w\d+x")


def spoken(rng: random.Random, first: int = 0) -> ModelReply:
    """An answer of chance whose words are all different: `w12x`, so that each can be looked for.

    They are numbered from `first` on.
    """
    numbers = iter(range(first + 10, 10_000))

    def words(most: int) -> tuple[str, ...]:
        return tuple(f"w{next(numbers)}x " for _ in range(rng.randint(0, most)))

    def call(place: int) -> Call:
        whole = json.dumps({rng.choice(_LETTERS): f"w{next(numbers)}x" for _ in range(rng.randint(1, 3))})
        cuts = sorted(rng.sample(range(1, len(whole)), rng.randint(0, 3)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        return Call(f"tool{place}", tuple(pieces), f"call_{place}")

    reply = ModelReply(
        reasoning=words(2), text=words(4), calls=tuple(call(at) for at in range(rng.randint(0, 3)))
    )
    return reply if reply.text or reply.calls else ModelReply(text=("w9x",))


def words_in(value: Any) -> list[str]:
    """The model's words that it holds; bytes are taken as text, the rest as JSON."""
    return _WORD.findall(value.decode() if isinstance(value, bytes) else json.dumps(value))


def changed(events: Events, change: Change, rng: random.Random) -> Events:
    """A copy with that change; what stands in two events is two copies."""
    return change(json.loads(json.dumps(events)), rng)


# -- moves of whole events ---------------------------------------------------------------------------


def swapped(events: Events, rng: random.Random) -> Events:
    """Two change their places."""
    a, b = rng.randrange(len(events)), rng.randrange(len(events))
    events[a], events[b] = events[b], events[a]
    return events


def missing(events: Events, rng: random.Random) -> Events:
    """One does not come."""
    del events[rng.randrange(len(events))]
    return events


def twice(events: Events, rng: random.Random) -> Events:
    """One comes again, right behind itself."""
    at = rng.randrange(len(events))
    return [*events[: at + 1], copy.deepcopy(events[at]), *events[at + 1 :]]
