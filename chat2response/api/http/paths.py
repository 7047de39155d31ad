"""Paths of requests, decoded: what none of ours holds."""

import re

# Control characters, line separators, halves of surrogate pairs. In a pattern `$` also matches before a
# newline at the end, and no name that a client may choose has any of them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def has_control_characters(path: str) -> bool:
    """Whether the path holds one: then nothing is there."""
    return _CONTROL.search(path) is not None


def shown(path: str) -> str:
    """The path on one line of plain text."""
    return _CONTROL.sub("?", path)
