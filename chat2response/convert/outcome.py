"""`Outcome`: how a model's turn ended, and its `status` and `finish_reason` in the two dialects."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.convert.finish_reasons import Ending, announces_call, finish_meaning
from chat2response.convert.losses import Losses
from chat2response.errors import BridgeError, Unauthorized, Unavailable, UpstreamError, UpstreamTimeout
from chat2response.wire.chat import FinishReason
from chat2response.wire.fault import Fault
from chat2response.wire.ids import Clock
from chat2response.wire.json import too_deep
from chat2response.wire.responses import Response
from chat2response.wire.values import Struct


class Outcome(Struct, frozen=True):
    """The end of a turn. `error` is set exactly when the status is `failed`."""

    status: Ending = "completed"
    reason: str | None = None
    """If incomplete: `max_output_tokens` or `content_filter`."""
    error: BridgeError | None = None
    service_tier: str | None = None
    """The service tier that the upstream used."""
    moderation: dict[str, Any] | None = None
    """The moderation results of the input and output, in the form of Responses."""


_CALLS = ("function_call", "custom_tool_call")
_WITHOUT_CALL = ("message.tool_calls", "announced by finish_reason but missing")


def from_finish_reason(
    finish: str,
    service_tier: str | None = None,
    moderation: dict[str, Any] | None = None,
    *,
    losses: Losses | None = None,
    called: bool = True,
) -> Outcome:
    """The outcome for a Chat finish_reason of any vendor; an unknown one is `incomplete`, and a loss.

    `called`: whether the answer contains a call. It is a loss if `finish` announces one and there is none.
    """
    known = finish_meaning(finish)
    status, reason = known or ("incomplete", "max_output_tokens")
    if status == "failed":
        return failed(UpstreamError(f"The upstream ended the answer with an error ({finish[:100]})."))
    if losses is not None and known is None:
        losses.add("finish_reason", f"unknown word '{finish[:40]}' shown as incomplete")
    if losses is not None and not called and announces_call(finish):
        losses.add(*_WITHOUT_CALL)
    return Outcome(status, reason, None, service_tier, moderation)


def later_finish_reason(before: str, after: str) -> str:
    """The one of two successive finish_reasons that counts: a success does not replace a known failure."""
    if not before or not after:
        return after or before
    first, second = finish_meaning(before), finish_meaning(after)
    cut = first is not None and first[0] != "completed"
    return before if cut and second is not None and second[0] == "completed" else after


def failed(error: BridgeError) -> Outcome:
    """The outcome of a turn that ended with an error."""
    return Outcome("failed", None, error)


def from_fault(fault: Fault) -> Outcome:
    """The outcome of a stream that stopped before its end."""
    return failed(fault_error(fault))


def fault_error(fault: Fault) -> BridgeError:
    """The error for a fault."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    if fault.cause in ("drain", "store"):
        return Unavailable(fault.message)
    if fault.cause == "revoked":
        return Unauthorized(fault.message)
    return UpstreamError(fault.message)


_STATUSES = ("completed", "incomplete", "failed", "cancelled", "queued", "in_progress")


def status_of(response: Mapping[str, Any]) -> Any:
    """The status of a response as a value of the API, if its meaning is known; without one, `completed`."""
    status = response.get("status") or "completed"
    if type(status) is str and status not in _STATUSES:
        known = finish_meaning(status)
        return known[0] if known else status
    return status


def from_response(response: Mapping[str, Any]) -> Outcome:
    """The outcome of a whole response. A status that is not final is a failure; no status is `completed`."""
    status = status_of(response)
    tier = response.get("service_tier")
    tier = tier if type(tier) is str else None
    moderation = response.get("moderation")
    moderation = moderation if type(moderation) is dict and not too_deep(moderation) else None
    error = read_upstream_error({"error": response.get("error")})
    if status == "completed" and error is None:
        return Outcome(service_tier=tier, moderation=moderation)
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if type(details) is dict else None
        return Outcome("incomplete", reason if type(reason) is str else None, None, tier, moderation)
    if status == "cancelled":
        return failed(UpstreamError("The response was cancelled.", status=400, code="response_cancelled"))
    shown = f"the status '{status[:40]}'" if type(status) is str else "an unknown status"
    return failed(error or UpstreamError(f"The upstream's response ended with {shown}."))


def finish_reason(response: Mapping[str, Any], losses: Losses | None = None) -> FinishReason:
    """The Chat finish_reason for a response that did not fail. An unknown reason is added to `losses`."""
    if status_of(response) == "incomplete":
        return _cut_short(response.get("incomplete_details"), losses)
    output = response.get("output")
    items = output if type(output) is list else []
    called = any(type(item) is dict and item.get("type") in _CALLS for item in items)
    return "tool_calls" if called else "stop"


def _cut_short(details: Any, losses: Losses | None) -> FinishReason:
    """Chat has two words for it; one of them is never `stop`, which is a success."""
    reason = details.get("reason") if type(details) is dict else None
    if type(reason) is not str or not reason:
        return "length"
    known = finish_meaning(reason)
    if known is not None and known[1] == "content_filter":
        return "content_filter"
    if losses is not None and (known is None or known[1] is None):
        losses.add("incomplete_details.reason", f"'{reason[:40]}' shown as length")
    return "length"


# Codes that clients act on (Codex decides by them whether to retry), and those that the schema lists. Every
# other failure is `server_error`.
_PUBLIC_CODES = frozenset(
    {
        *("rate_limit_exceeded", "invalid_prompt", "context_length_exceeded", "insufficient_quota"),
        *("data_residency_mismatch", "bio_policy", "vector_store_timeout", "invalid_image"),
        *("invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large"),
        *("image_too_small", "image_parse_error", "image_content_policy_violation", "invalid_image_mode"),
        *("image_file_too_large", "unsupported_image_media_type", "empty_image_file"),
        *("failed_to_download_image", "image_file_not_found"),
    }
)


def response_error(error: BridgeError) -> dict[str, Any]:
    """`response.error` of a failed response."""
    if error.code in _PUBLIC_CODES:
        code = error.code
    elif error.status == 429:
        code = "rate_limit_exceeded"
    else:
        code = "server_error"
    return {"code": code, "message": error.message}


_ERROR_TYPES = {
    "rate_limit_exceeded": "rate_limit_error",
    "insufficient_quota": "insufficient_quota",
    "invalid_prompt": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
}


def failure_fields(error: Mapping[str, Any] | None) -> dict[str, Any]:
    """`response.error` as the error object of Chat and HTTP, with all four keys."""
    error = error or {}
    code = error.get("code") or "server_error"
    kind = _ERROR_TYPES.get(code, "server_error")
    return {"message": error.get("message"), "type": kind, "param": None, "code": code}


def conclude(
    response: Response, status: str, error: BridgeError | None, reason: str | None, clock: Clock
) -> None:
    """Sets the final status of a response, and the fields that depend on it."""
    response["status"] = status  # type: ignore[typeddict-item]
    response["error"] = response_error(error) if error else None
    response["incomplete_details"] = {"reason": reason} if status == "incomplete" else None
    response["completed_at"] = int(clock()) if status == "completed" else None
