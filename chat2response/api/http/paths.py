"""Rejects control characters in decoded request paths."""

import re

# Control characters, line separators, lone surrogates. No name that a client may choose contains them, and in
# a route's pattern `$` also matches before a final newline.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def has_control_characters(path: str) -> bool:
    """Whether the path contains a control character; such a path does not exist."""
    return _CONTROL.search(path) is not None


def printable(path: str) -> str:
    """The path as one line of text, with `?` for each control character."""
    return _CONTROL.sub("?", path)
