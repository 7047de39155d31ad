"""The names of settings, and what people write instead of them."""

from collections.abc import Iterable
from difflib import get_close_matches

from chat2response.settings.fields import Settings

PREFIX = "CHAT2RESPONSE_"
KNOWN = (*(name.upper() for name in Settings.model_fields), f"{PREFIX}UPSTREAM")
_SIMILARITY = 0.75  # of 1, for a name that can only be meant for the gateway
_FOREIGN_SIMILARITY = 0.9  # for a name that may belong to another program

_URL, _KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_SYNONYMS = {
    **dict.fromkeys(("OPENAI_API_BASE", "OPENAI_API_BASE_URL", "OPENAI_BASE", "OPENAI_URL"), _URL),
    **dict.fromkeys(("OPENAI_API_URL", "OPENAI_ENDPOINT", "OPENAI_API_ENDPOINT"), _URL),
    **dict.fromkeys(("UPSTREAM_URL", "UPSTREAM_BASE_URL"), _URL),
    **dict.fromkeys(("OPENAI_KEY", "OPENAI_TOKEN", "OPENAI_API_TOKEN", "UPSTREAM_API_KEY"), _KEY),
    "BIND_ADDRESS": "BIND_ADDR",
}
"""Names of other programs for the same setting."""
_WITH_PREFIX = {
    "BASE_URL": _URL,
    "API_KEY": _KEY,
    "MODE": "UPSTREAM_MODE",
    "BIND": "BIND_ADDR",
    "HOST": "BIND_ADDR",
}
"""Names that people write with our prefix, for settings that have none."""
_UNPREFIXED = tuple(name for name in KNOWN if name.startswith(("OPENAI_", "UPSTREAM_", "BIND_", "CORS_")))
_BY_SHORT_NAME = {name.removeprefix(PREFIX): name for name in KNOWN}


def suggestion_with_prefix(name: str) -> str | None:
    """The setting nearest to an unknown name with our prefix; None if none is near."""
    bare = name.upper().removeprefix(PREFIX)
    listed = _SYNONYMS.get(bare) or _WITH_PREFIX.get(bare)
    return listed or _BY_SHORT_NAME.get(_nearest(bare, _BY_SHORT_NAME, _SIMILARITY) or "")


def suggestion_without_prefix(name: str, *, in_file: bool) -> str | None:
    """The setting nearest to a name without our prefix; None if it is a setting, or another program's.

    `in_file`: the name is in a `.env` file. Only the gateway reads that, so a missing prefix is enough.
    """
    upper = name.upper()
    if upper in KNOWN or upper.startswith(PREFIX):
        return None
    if upper in _SYNONYMS:
        return _SYNONYMS[upper]
    if in_file and PREFIX + upper in KNOWN:
        return PREFIX + upper
    return _nearest(upper, _UNPREFIXED, _FOREIGN_SIMILARITY)


def _nearest(name: str, names: Iterable[str], cutoff: float) -> str | None:
    return next(iter(get_close_matches(name, names, n=1, cutoff=cutoff)), None)
