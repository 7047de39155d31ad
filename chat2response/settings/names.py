"""The names of settings, and those that are written in their place."""

from collections.abc import Iterable
from difflib import get_close_matches

from chat2response.settings.model import Settings

PREFIX = "CHAT2RESPONSE_"
KNOWN = (*(name.upper() for name in Settings.model_fields), f"{PREFIX}UPSTREAM")
_NEAR = 0.75  # of 1, for a name that can only be meant for us
_NEARER = 0.9  # for one that can be another program's

_URL, _KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_OTHERS = {
    **dict.fromkeys(("OPENAI_API_BASE", "OPENAI_API_BASE_URL", "OPENAI_BASE", "OPENAI_URL"), _URL),
    **dict.fromkeys(("OPENAI_API_URL", "OPENAI_ENDPOINT", "OPENAI_API_ENDPOINT"), _URL),
    **dict.fromkeys(("UPSTREAM_URL", "UPSTREAM_BASE_URL"), _URL),
    **dict.fromkeys(("OPENAI_KEY", "OPENAI_TOKEN", "OPENAI_API_TOKEN", "UPSTREAM_API_KEY"), _KEY),
    "BIND_ADDRESS": "BIND_ADDR",
}
"""What other programs call the same thing."""
_WITH_PREFIX = {
    "BASE_URL": _URL,
    "API_KEY": _KEY,
    "MODE": "UPSTREAM_MODE",
    "BIND": "BIND_ADDR",
    "HOST": "BIND_ADDR",
}
"""What is written behind our prefix for a setting that has none."""
_PLAIN = tuple(name for name in KNOWN if name.startswith(("OPENAI_", "UPSTREAM_", "BIND_", "CORS_")))
_BARE = {name.removeprefix(PREFIX): name for name in KNOWN}


def meant_by_ours(name: str) -> str | None:
    """The setting that is meant by an unknown name with our prefix; None where none is near."""
    bare = name.upper().removeprefix(PREFIX)
    listed = _OTHERS.get(bare) or _WITH_PREFIX.get(bare)
    return listed or _BARE.get(_nearest(bare, _BARE, _NEAR) or "")


def meant_by(name: str, *, in_file: bool) -> str | None:
    """The setting that is meant by a name that none has; None where it is one, or is another program's."""
    upper = name.upper()
    if upper in KNOWN or upper.startswith(PREFIX):
        return None
    if upper in _OTHERS:
        return _OTHERS[upper]
    if in_file and PREFIX + upper in KNOWN:
        return PREFIX + upper
    return _nearest(upper, _PLAIN, _NEARER)


def _nearest(name: str, names: Iterable[str], cutoff: float) -> str | None:
    return next(iter(get_close_matches(name, names, n=1, cutoff=cutoff)), None)
