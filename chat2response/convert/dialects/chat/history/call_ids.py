"""Ids of calls that a target takes: those that it would refuse become a digest, of call and output alike."""

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

_LONGEST = 64  # where a form is asked for and no length


def fitted(call_id: str, longest: int, form: str = "") -> str:
    """`call_id`, where it has at most `longest` characters (0: any number) and is of this form (empty: any).

    Else a text that depends on nothing but the id, and stays as it is when it comes back. A form that no
    digest has leaves the id alone.
    """
    if not (longest and len(call_id) > longest) and not (form and not _of(form)(call_id)):
        return call_id
    digest = sha256(call_id.encode(errors="surrogatepass")).hexdigest()
    for made in (f"call_{digest}", digest):
        made = made[: longest or _LONGEST]
        if not form or _of(form)(made):
            return made
    return call_id


@lru_cache(maxsize=64)
def _of(form: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(form).fullmatch
