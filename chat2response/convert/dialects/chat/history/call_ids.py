"""Replaces call ids that a backend would refuse by a digest, in a call and in its output alike."""

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

_DIGEST_LENGTH = 64  # characters, where the backend requires a form but sets no maximum


def fit_call_id(call_id: str, longest: int, form: str = "") -> str:
    """Returns `call_id` if it has at most `longest` characters (0: no limit) and matches `form` (empty: any).

    Otherwise returns a digest that depends on the id alone, and that this function returns unchanged. If no
    digest matches `form`, returns the id as it is.
    """
    if not (longest and len(call_id) > longest) and not (form and not _matcher(form)(call_id)):
        return call_id
    digest = sha256(call_id.encode(errors="surrogatepass")).hexdigest()
    for candidate in (f"call_{digest}", digest):
        candidate = candidate[: longest or _DIGEST_LENGTH]
        if not form or _matcher(form)(candidate):
            return candidate
    return call_id


@lru_cache(maxsize=64)
def _matcher(form: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(form).fullmatch
