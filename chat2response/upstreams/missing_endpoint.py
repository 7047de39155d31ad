"""Recognizes an upstream without the requested endpoint, and tells the operator what to check.

A wrong `UPSTREAM_MODE`, or a base address without `/v1`, shows as a 404 or 405 without an explanation. A 404
about a model, a response or an item is a different error, and says so.
"""

import re
from urllib.parse import urlsplit

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.responses.dialect import RESPONSES
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
_OTHERS = {CHAT: RESPONSES, RESPONSES: CHAT}


def lacks_endpoint(error: UpstreamError, status: int, *, readable: bool) -> bool:
    """Whether an error with this HTTP status says that the endpoint does not exist.

    `readable`: its body is an error object. A web page or an empty body comes from another kind of server.
    """
    if status not in _STATUSES or error.param or _OTHER_SUBJECT.search(f"{error.code} {error.message}"):
        return False
    return status != 404 or not readable or _ROUTE.search(error.message) is not None


def add_likely_cause(error: UpstreamError, target: Target) -> str | None:
    """Adds the likely cause to an error that says that the endpoint does not exist.

    Returns a line for the log, which contains the address; None for any other error.
    """
    if not (error.no_endpoint or _UNEXPECTED.search(error.message)):
        return None
    cause = likely_cause(target)
    error.message = f"{error.message.rstrip()}{'' if error.message.rstrip().endswith('.') else '.'} {cause}"
    return f"no such endpoint at {target.shown_address}. {cause}"


def likely_cause(target: Target) -> str:
    """The likely cause for the client, without the address."""
    dialect = target.dialect
    cause = f"The upstream has no {dialect.title} endpoint at this address."
    if _VERSION.search(urlsplit(target.base_url).path):
        address = "OPENAI_BASE_URL may be wrong"
    else:
        address = "OPENAI_BASE_URL may lack /v1"
    other = _OTHERS.get(dialect)
    if other is None:
        return f"{cause} {address}."
    return f"{cause} It may speak {other.title} only (UPSTREAM_MODE={other.name}), or {address}."
