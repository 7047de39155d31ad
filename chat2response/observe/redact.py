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


def redact(text: str) -> str:
    """`text` with every key-shaped string replaced by `[key]`."""
    return _KEY.sub("[key]", text)


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user, password, query, fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
