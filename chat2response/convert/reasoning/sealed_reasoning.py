"""The content of a reasoning item's `encrypted_content`: the reasoning of one item, sealed for its backend.

`Seal` is only a protocol here; `state/sealing.py` implements it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chat2response.wire.json import JSONError, decode, encode

SEAL_PREFIX = "c2r1."


def is_seal(text: str) -> bool:
    """Whether a chat2response gateway sealed this text; not whether this one can open it."""
    return text.startswith(SEAL_PREFIX)


class Seal(Protocol):
    """Seals and opens for one tenant, target and model."""

    def seal(self, plain: bytes) -> str:
        """A text that only this seal can open."""
        ...

    def open(self, sealed: str) -> bytes | None:
        """The plain bytes; None for any text that this seal did not create."""
        ...


@dataclass(frozen=True, slots=True)
class SealedReasoning:
    """The reasoning text, and the provider metadata to send back. Field names are keys in the seal."""

    text: str = ""
    carried: Mapping[str, Any] = field(default_factory=dict)
    more: bool = False
    """Whether it continues the previous reasoning of the same message."""


def seal_reasoning(reasoning: SealedReasoning, seal: Seal) -> str:
    """The `encrypted_content` for a reasoning item."""
    fields = {"text": reasoning.text, "carried": reasoning.carried, "more": reasoning.more}
    return seal.seal(encode({name: value for name, value in fields.items() if value}))


def open_reasoning(sealed: Any, seal: Seal | None) -> SealedReasoning | None:
    """The reasoning in an `encrypted_content`; None if `seal` did not create it."""
    plain = seal.open(sealed) if seal is not None and type(sealed) is str else None
    if plain is None:
        return None
    try:
        return SealedReasoning(**decode(plain))
    except (JSONError, TypeError):  # sealed by another version of the gateway
        return None
