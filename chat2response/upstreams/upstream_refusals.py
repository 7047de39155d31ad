"""An upstream's refusal, made fit for the client: its words kept, our secrets not."""

from codecs import BOM_UTF8
from urllib.parse import urlsplit

from chat2response.convert.errors.upstream_errors import plain_error, upstream_error
from chat2response.errors import BridgeError, UpstreamError, UpstreamUnauthorized
from chat2response.net.transport import Exchange
from chat2response.observe.redact import redact
from chat2response.observe.secrets import Secret, secret_of
from chat2response.upstreams.base import HeaderList, Target
from chat2response.upstreams.missing_endpoint import lacks_endpoint
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode, decode_leniently

_INPUT = ("'input'", '"input"', "`input`")
_MAX_ERROR = 1024 * 1024  # bytes of an error body that are read
_MOST_EVENTS = 20  # of an error body, that are looked at

_REFUSED_KEY = (
    "The upstream refused the gateway's own key: the operator has to check OPENAI_API_KEY "
    "(the log has the upstream's words)."
)
_SENT_NO_KEY = (
    "The upstream refused the gateway, which sends it no key: the operator has to set OPENAI_API_KEY "
    "(the log has the upstream's words)."
)

_PASSED = frozenset(
    {b"retry-after", b"retry-after-ms", b"x-should-retry", b"openai-processing-ms", b"openai-version"}
)
_PASSED_PREFIXES = (b"x-ratelimit-", b"ratelimit-")


def passed_headers(exchange: Exchange, secret: Secret | None = None) -> HeaderList:
    """The upstream's headers that reach the client, in lower case; its request id under another name.

    `secret`: what must not be in them.
    """
    passed: HeaderList = []
    for name, value in exchange.headers:
        name = name.lower()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES):
            passed.append((name, value))
        elif name == b"x-request-id":
            passed.append((b"x-upstream-request-id", value))
    return passed if secret is None else [(name, secret.remove(value)) for name, value in passed]


async def refusal(exchange: Exchange, target: Target) -> UpstreamError:
    """The error that an answer with status 300 or more is. Its status counts even where its body is cut."""
    try:
        body = await exchange.read(_MAX_ERROR)
    except UpstreamError:
        body = b""
    secret = secret_of(target.api_key)
    body = body if secret is None else secret.remove(body)
    return refusal_of(body, exchange.status, passed_headers(exchange, secret), target)


def refusal_of(body: bytes, status: int, headers: HeaderList, target: Target) -> UpstreamError:
    """The same for a body that has been read."""
    passed = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    error = _in_json(body, status) or _in_events(body, status)
    readable = error is not None
    error = error or plain_error(body.decode("utf-8", "replace"), status)
    if status in (401, 403) and target.managed:
        return UpstreamUnauthorized(
            _REFUSED_KEY if target.api_key else _SENT_NO_KEY,
            internal=f"upstream {status}: {mask(error.message, target)}",
            headers=passed,
        )
    if status < 400:  # a redirect: not followed, and no address of it told
        error = UpstreamError(f"The upstream answered with status {status}, which is no answer.")
    mask_error(error, target)
    error.headers.update(passed)
    error.refused_input = refuses_input(body, status)
    error.no_endpoint = lacks_endpoint(error, status, readable=readable)
    return error


def _in_json(body: bytes, status: int) -> UpstreamError | None:
    try:
        value = decode_leniently(body)
    except JSONError:
        return None
    return upstream_error(value, status)


def _in_events(body: bytes, status: int) -> UpstreamError | None:
    """The first error among the events of a body that is a stream; None where it has none."""
    for payload in sse.payloads(body.removeprefix(BOM_UTF8))[:_MOST_EVENTS]:
        error = _in_json(payload, status)
        if error is None and payload.strip() not in (b"", sse.DONE):
            error = plain_error(payload.decode("utf-8", "replace"), status)
        if error is not None:
            return error
    return None


def refuses_input(body: bytes, status: int) -> bool:
    """Whether a refusal is about the form of `input`: that it is missing, or no text.

    An error object says so in its message (its `param` names `input` for whatever is wrong inside it); other
    bodies are validators' reports, which name the place.
    """
    if status not in (400, 422):
        return False
    try:
        said = decode(body)
    except JSONError:
        said = None
    held = said.get("error") if type(said) is dict else None
    message = held.get("message") if type(held) is dict else held
    text = message if type(message) is str else body.decode("utf-8", "replace")
    return any(name in text for name in _INPUT) or ("Field required" in text and "input" in text)


def mask_error(error: BridgeError, target: Target) -> None:
    """`mask` for all that a client is told of an error."""
    error.message = mask(error.message, target)
    error.type = mask(error.type, target)
    error.code = error.code and mask(error.code, target)
    error.param = error.param and mask(error.param, target)


def mask(text: str, target: Target) -> str:
    """`text` without key-shaped strings and without the upstream's address."""
    if (secret := secret_of(target.api_key)) is not None:
        text = secret.remove_text(text)
    elif target.api_key:
        text = text.replace(target.api_key, "[key]")
    for address in _addresses(target.base_url):
        text = text.replace(address, "[upstream]")
    return redact(text)


def _addresses(base_url: str) -> list[str]:
    """The address, with less and less around the host. A bare word (`ollama`) is no address."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    forms = [
        base_url,
        parts.netloc,
        parts.netloc.rpartition("@")[2],
        host if "." in host or ":" in host else "",
    ]
    return [form for form in dict.fromkeys(forms) if form]
