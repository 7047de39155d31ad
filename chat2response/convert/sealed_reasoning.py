"""What travels sealed in a reasoning item's `encrypted_content`: the reasoning of one item, for its backend.

The seal itself is somebody else's (`state/sealing.py`): here it is two methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chat2response.wire.json import JSONError, decode, encode


class Seal(Protocol):
    """Closes and opens for one tenant, target and model."""

    def seal(self, plain: bytes) -> str:
        """A text that only this seal opens."""
        ...

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None for what this seal did not make, whatever it is."""
        ...


@dataclass(frozen=True, slots=True)
class SealedReasoning:
    """The text as the backend gave it, and what it wants back beside it (`ProviderMetadata.take`)."""

    text: str = ""
    carried: Mapping[str, Any] = field(default_factory=dict)
    more: bool = False
    """It goes on with the thought before it, of the same message."""


def seal_reasoning(thought: SealedReasoning, seal: Seal) -> str:
    """The `encrypted_content`."""
    said = {"text": thought.text, "carried": thought.carried, "more": thought.more}
    return seal.seal(encode({name: value for name, value in said.items() if value}))


def open_reasoning(sealed: Any, seal: Seal | None) -> SealedReasoning | None:
    """The thought in an `encrypted_content`; None where it is not one that `seal` made."""
    plain = seal.open(sealed) if seal is not None and type(sealed) is str else None
    if plain is None:
        return None
    try:
        return SealedReasoning(**decode(plain))
    except (JSONError, TypeError):  # sealed by a version that said it in another way
        return None
