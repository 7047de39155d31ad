"""Key-shaped strings out of anything that is printed or passed on."""

import re
from urllib.parse import urlsplit

_KEY = re.compile(
    r"sk_[0-9a-fA-F]{32}\.[0-9a-fA-F]{32,}"  # ours
    r"|\badmin_[0-9a-f]{64}"  # the admin token that we make
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.-]{5,}[A-Za-z0-9_*-]"  # OpenAI's, and those like it, also half masked
    r"|\b(?:gsk_|xai-|AIza|hf_)[A-Za-z0-9_-]{16,}"  # of vendors that an upstream may itself stand before
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
)
_SECRET_OPTION = re.compile(r"([?&][^=&#]*(?:pass|secret|token|key)[^=&#]*=)([^&#]+)", re.IGNORECASE)


_MARKS = ("sk_", "sk-", "admin_", "xai-", "AIza", "hf_", "earer ")
"""One of these is in whatever the pattern matches; looking for them takes a hundredth of its time."""


def redact(text: str) -> str:
    """`text` with every key-shaped string replaced by `[key]`."""
    for mark in _MARKS:
        if mark in text:
            return _KEY.sub("[key]", text)
    return text


def login_in(url: str) -> tuple[str, str, list[str]]:
    """User and password of a URL, and those of its options that are passwords; empty where there are none.

    All before the last `@` is the login: a password that was not percent-encoded would else be read as a
    path, and shown.
    """
    login, _ = _split(_without_scheme(url))
    user, _, password = login.partition(":")
    return user, password, [found[2] for found in _SECRET_OPTION.finditer(url)]


def masked_url(url: str) -> str:
    """A URL whose passwords are `***`; a user without one may be a token, and is `***` too."""
    rest = _without_scheme(url)
    login, place = _split(rest)
    user, colon, _ = login.partition(":")
    hidden = f"{user}:***@" if colon else "***@" if place != rest else ""
    return url.removesuffix(rest) + hidden + _SECRET_OPTION.sub(r"\1***", place)


def _split(rest: str) -> tuple[str, str]:
    """The login, and what follows its `@`. An `@` in a path is none: there is a `/` before it, and no `:`."""
    login, at, place = rest.rpartition("@")
    return (login, place) if at and ("/" not in login or ":" in login) else ("", rest)


def _without_scheme(url: str) -> str:
    return url.partition("://")[2] or url


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user, password, query, fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
