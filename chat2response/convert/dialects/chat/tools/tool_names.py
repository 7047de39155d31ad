"""Names of tools that every Chat backend takes: 1 to 64 characters of `[a-zA-Z0-9_-]`.

    get_weather                 stays
    multi_agent_v1 wait_agent   multi_agent_v1__wait_agent
    docs.search                 docs_search_3f1c9a0b

A name that had to change, or that another tool bears, ends in a digest of what it stands for. So it depends
on nothing but the tool itself (and, on a clash, on the tools before it): history and prompt caches need that.
"""

import re
from collections.abc import Container
from hashlib import sha256

MAX_NAME = 64
_is_valid = re.compile(r"[a-zA-Z0-9_-]{1,64}").fullmatch
_other = re.compile(r"[^a-zA-Z0-9_-]")


def valid(name: str) -> bool:
    """Whether a Chat backend takes it as it is."""
    return _is_valid(name) is not None


def begins(name: str) -> bool:
    """Whether it begins with a letter or `_`."""
    return name[:1] == "_" or (name[:1].isascii() and name[:1].isalpha())


def flat(namespace: str | None, name: str) -> str:
    """A tool's name with its namespace, as one word; not yet fit to be sent."""
    return f"{namespace}__{name}" if namespace else name


def sendable(namespace: str | None, name: str, taken: Container[str] = (), *, letter: bool = False) -> str:
    """The name under which a tool is sent, none of those `taken`. `letter`: it begins with one, or `_`."""
    wanted = flat(namespace, name)
    if letter and not begins(wanted):
        wanted = f"_{wanted}"
    if valid(wanted) and wanted not in taken:
        return wanted
    digest = sha256(f"{namespace or ''}\0{name}".encode(errors="surrogatepass")).hexdigest()
    size = 8
    while True:
        made = f"{_other.sub('_', wanted[: MAX_NAME - size - 1])}_{digest[:size]}"
        if made not in taken or size > 32:
            return made
        size += 4
