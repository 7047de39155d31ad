"""Removes key-shaped strings from text that is logged, printed or passed on, and passwords from URLs."""

import re
from urllib.parse import urlsplit

_KEY = re.compile(
    r"sk_[0-9a-fA-F]{32}\.[0-9a-fA-F]{32,}"  # an API key of this gateway
    r"|\badmin_[0-9a-f]{64}"  # a generated admin token
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.-]{5,}[A-Za-z0-9_*-]"  # OpenAI and similar, also partly masked
    r"|\b(?:gsk_|xai-|AIza|hf_)[A-Za-z0-9_-]{16,}"  # vendors that an upstream may call in turn
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
)
_SECRET_OPTION = re.compile(r"([?&][^=&#]*(?:pass|secret|token|key)[^=&#]*=)([^&#]+)", re.IGNORECASE)


_MARKS = ("sk_", "sk-", "admin_", "xai-", "AIza", "hf_", "earer ")
"""Every match of the pattern contains one of these; searching for them takes a hundredth of its time."""


def redact(text: str) -> str:
    """`text` with every key-shaped string replaced by `[key]`."""
    for mark in _MARKS:
        if mark in text:
            return _KEY.sub("[key]", text)
    return text


def secret_parts_of_url(url: str) -> tuple[str, str, list[str]]:
    """The user, the password, and the secret query options of a URL; empty if there are none.

    Everything before the last `@` is the login: otherwise a password that is not percent-encoded would be
    taken for a path, and shown.
    """
    login, _ = _split(_without_scheme(url))
    user, _, password = login.partition(":")
    return user, password, [match[2] for match in _SECRET_OPTION.finditer(url)]


def masked_url(url: str) -> str:
    """The URL with each password as `***`. A user without a password may be a token, so it is `***` too."""
    location = _without_scheme(url)
    login, server = _split(location)
    user, colon, _ = login.partition(":")
    masked = f"{user}:***@" if colon else "***@" if server != location else ""
    return url.removesuffix(location) + masked + _SECRET_OPTION.sub(r"\1***", server)


def _split(location: str) -> tuple[str, str]:
    """The login, and what follows its `@`. An `@` in a path has a `/` before it and no `:`, so no login."""
    login, at, server = location.rpartition("@")
    return (login, server) if at and ("/" not in login or ":" in login) else ("", location)


def _without_scheme(url: str) -> str:
    return url.partition("://")[2] or url


def shown_url(url: str) -> str:
    """The URL without the parts that may be secret: user, password, query, fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
