"""Turns an upstream's error into one for the client: keeps its message, removes the gateway's secrets."""

from codecs import BOM_UTF8
from functools import lru_cache
from urllib.parse import urlsplit

from chat2response.convert.errors.upstream_errors import plain_error, read_upstream_error
from chat2response.errors import BridgeError, UpstreamError, UpstreamUnauthorized
from chat2response.net.transport import HttpResponse
from chat2response.observe.redact import redact
from chat2response.observe.secrets import Secret, secret_of
from chat2response.upstreams.base import Reply, Target
from chat2response.upstreams.missing_endpoint import lacks_endpoint
from chat2response.wire import sse
from chat2response.wire.headers import HeaderList
from chat2response.wire.json import JSONError, decode, decode_leniently

_INPUT_NAMES = ("'input'", '"input"', "`input`")
_MAX_ERROR = 1024 * 1024  # bytes of an error body that are read
_MAX_EVENTS = 20  # events of an error body that are searched

_KEY_REJECTED = (
    "The upstream rejected the gateway's API key. Check OPENAI_API_KEY (the log has the upstream's message)."
)
_KEY_MISSING = (
    "The upstream rejected the gateway's request, which has no API key. Set OPENAI_API_KEY "
    "(the log has the upstream's message)."
)

_FORWARDED = frozenset(
    {b"retry-after", b"retry-after-ms", b"x-should-retry", b"openai-processing-ms", b"openai-version"}
)
_FORWARDED_PREFIXES = (b"x-ratelimit-", b"ratelimit-")


def forwarded_headers(response: HttpResponse, secret: Secret | None = None) -> HeaderList:
    """The upstream's headers for the client, in lower case; its request id gets another name.

    `secret`: is removed from them.
    """
    forwarded = [
        (client_name, value)
        for name, value in response.headers
        if (client_name := _name_for_client(name)) is not None
    ]
    return forwarded if secret is None else [(name, secret.remove(value)) for name, value in forwarded]


@lru_cache(maxsize=128)
def _name_for_client(name: bytes) -> bytes | None:
    """The name under which the client gets an upstream's header; None if it does not get it."""
    name = name.lower()
    if name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES):
        return name
    return b"x-upstream-request-id" if name == b"x-request-id" else None


async def refusal_of(reply: Reply, target: Target) -> UpstreamError:
    """The error in a reply with status 300 or more. The status counts even if the body is cut off."""
    try:
        body = await reply.read(_MAX_ERROR)
    except UpstreamError:
        body = b""
    return refusal_error(body, reply.status, reply.headers, target)


def refusal_error(body: bytes, status: int, headers: HeaderList, target: Target) -> UpstreamError:
    """The error in a body that has been read."""
    forwarded = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    error = _error_in_json(body, status) or _error_in_events(body, status)
    readable = error is not None
    error = error or plain_error(body.decode("utf-8", "replace"), status)
    if status in (401, 403) and target.managed:
        return UpstreamUnauthorized(
            _KEY_REJECTED if target.api_key else _KEY_MISSING,
            internal=f"upstream {status}: {mask(error.message, target)}",
            headers=forwarded,
        )
    if status < 400:  # redirects are not followed, and their addresses stay secret
        error = UpstreamError(f"The upstream answered with status {status}: redirects are not followed.")
    mask_error(error, target)
    error.headers.update(forwarded)
    error.refused_input = refuses_input(body, status)
    error.no_endpoint = lacks_endpoint(error, status, readable=readable)
    return error


def _error_in_json(body: bytes, status: int) -> UpstreamError | None:
    try:
        value = decode_leniently(body)
    except JSONError:
        return None
    return read_upstream_error(value, status)


def _error_in_events(body: bytes, status: int) -> UpstreamError | None:
    """The first error among the events of a stream, if there is one."""
    for payload in sse.payloads(body.removeprefix(BOM_UTF8))[:_MAX_EVENTS]:
        error = _error_in_json(payload, status)
        if error is None and payload.strip() not in (b"", sse.DONE):
            error = plain_error(payload.decode("utf-8", "replace"), status)
        if error is not None:
            return error
    return None


def refuses_input(body: bytes, status: int) -> bool:
    """Whether an error is about the form of `input`: it is missing, or must be text.

    An error object says so in its message: its `param` is `input` for anything wrong inside it. Other bodies
    are reports of validators, which name the path.
    """
    if status not in (400, 422):
        return False
    try:
        value = decode(body)
    except JSONError:
        value = None
    error = value.get("error") if type(value) is dict else None
    message = error.get("message") if type(error) is dict else error
    text = message if type(message) is str else body.decode("utf-8", "replace")
    return any(name in text for name in _INPUT_NAMES) or ("Field required" in text and "input" in text)


def mask_error(error: BridgeError, target: Target) -> None:
    """Applies `mask` to all fields of the error that the client sees."""
    error.message = mask(error.message, target)
    error.type = mask(error.type, target)
    error.code = error.code and mask(error.code, target)
    error.param = error.param and mask(error.param, target)


def mask(text: str, target: Target) -> str:
    """`text` without API keys and without the upstream's address."""
    if (secret := secret_of(target.api_key)) is not None:
        text = secret.remove_text(text)
    elif target.api_key:
        text = text.replace(target.api_key, "[key]")
    for address in _addresses(target.base_url):
        text = text.replace(address, "[upstream]")
    return redact(text)


def _addresses(base_url: str) -> list[str]:
    """The address in ever shorter forms. A single word (`ollama`) does not count as an address."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    addresses = [
        base_url,
        parts.netloc,
        parts.netloc.rpartition("@")[2],
        host if "." in host or ":" in host else "",
    ]
    return [form for form in dict.fromkeys(addresses) if form]
