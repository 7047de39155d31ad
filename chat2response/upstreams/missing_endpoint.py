"""An upstream that has no such endpoint: found in its refusal, and what the operator should check.

A wrong `UPSTREAM_MODE` or a base address without `/v1` shows itself as a 404 or 405 whose words say nothing.
A 404 about a model, a response or an item is another matter, and says so.
"""

import re
from urllib.parse import urlsplit

from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Target

_STATUSES = (404, 405, 501)  # 501: plain file servers, for POST
_OTHER_SUBJECT = re.compile(r"model|deployment|engine|tokeni[sz]er", re.IGNORECASE)
_ROUTE = re.compile(
    r"\b(?:url|uri|route|path|endpoint|page)\b"
    r"|\bresource (?:was |is |could )?not (?:be )?found"
    r"|^(?:error:? |404:? |status \d+:? |file )*not[ _]?found\W*$"
    r"|\bcannot (?:post|get)\b"
    r"|^the upstream answered with status",
    re.IGNORECASE,
)
_UNEXPECTED = re.compile(r"unexpected endpoint or method", re.IGNORECASE)  # LM Studio, with status 200
_VERSION = re.compile(r"/v\d", re.IGNORECASE)
_NAMES = {"responses": "Responses", "chat": "Chat Completions"}


def lacks_endpoint(error: UpstreamError, status: int, *, readable: bool) -> bool:
    """Whether a refusal with this HTTP status says that there is no such endpoint.

    `readable`: its body is an error that can be read; a page or an empty body is a server of another kind.
    """
    if status not in _STATUSES or error.param or _OTHER_SUBJECT.search(f"{error.code} {error.message}"):
        return False
    return status != 404 or not readable or _ROUTE.search(error.message) is not None


def add_likely_cause(error: UpstreamError, target: Target) -> str | None:
    """Adds to the error what its likely cause is, where it says that there is no such endpoint.

    Returns a line for the log, which names the address that was asked; None for any other error.
    """
    if target.dialect not in _NAMES or not (error.no_endpoint or _UNEXPECTED.search(error.message)):
        return None
    cause = likely_cause(target)
    error.message = f"{error.message.rstrip()}{'' if error.message.rstrip().endswith('.') else '.'} {cause}"
    return f"no such endpoint at {target.shown_address}. {cause}"


def likely_cause(target: Target) -> str:
    """In words for the client, so without the address."""
    other = "chat" if target.dialect == "responses" else "responses"
    mode = f"it may speak {_NAMES[other]} only (UPSTREAM_MODE={other})"
    if _VERSION.search(urlsplit(target.base_url).path):
        address = "or OPENAI_BASE_URL may be wrong"
    else:
        address = "or OPENAI_BASE_URL may lack /v1"
    return f"The upstream has no {_NAMES[target.dialect]} endpoint at its address: {mode}, {address}."
