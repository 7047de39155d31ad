"""Rewrites tool names so that every Chat backend accepts them: 1 to 64 characters of `[a-zA-Z0-9_-]`.

    get_weather                 get_weather
    multi_agent_v1 wait_agent   multi_agent_v1__wait_agent
    docs.search                 docs_search_3f1c9a0b

A name that has to change, or that another tool has, ends in a digest of the original. So it depends only on
the tool itself (and, in a clash, on the tools before it), which history and prompt caches need (law 5, prompt
cache).
"""

import re
from collections.abc import Container
from hashlib import sha256

MAX_NAME = 64
_matches_valid_name = re.compile(r"[a-zA-Z0-9_-]{1,64}").fullmatch
_invalid_character = re.compile(r"[^a-zA-Z0-9_-]")


def is_valid_name(name: str) -> bool:
    """Whether every Chat backend accepts this name."""
    return _matches_valid_name(name) is not None


def starts_with_letter(name: str) -> bool:
    """Whether the name begins with a letter or `_`."""
    return name[:1] == "_" or (name[:1].isascii() and name[:1].isalpha())


def flatten_name(namespace: str | None, name: str) -> str:
    """Joins a namespace and a name. The result may still be invalid."""
    return f"{namespace}__{name}" if namespace else name


def sendable_name(
    namespace: str | None, name: str, taken: Container[str] = (), *, letter: bool = False
) -> str:
    """Returns a valid name that is not in `taken`. `letter`: it must begin with a letter or `_`."""
    preferred = flatten_name(namespace, name)
    if letter and not starts_with_letter(preferred):
        preferred = f"_{preferred}"
    if is_valid_name(preferred) and preferred not in taken:
        return preferred
    digest = sha256(f"{namespace or ''}\0{name}".encode(errors="surrogatepass")).hexdigest()
    size = 8
    while True:
        candidate = f"{_invalid_character.sub('_', preferred[: MAX_NAME - size - 1])}_{digest[:size]}"
        if candidate not in taken or size > 32:
            return candidate
        size += 4
