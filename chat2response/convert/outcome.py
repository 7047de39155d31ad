"""How a model's turn ended, and the words each dialect has for it (`protocol`: status and finish_reason)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.convert.errors.upstream_errors import upstream_error
from chat2response.convert.finish_reasons import Ending, announces_call, finish_meaning
from chat2response.convert.losses import Losses
from chat2response.errors import BridgeError, Unauthorized, Unavailable, UpstreamError, UpstreamTimeout
from chat2response.wire.chat import FinishReason
from chat2response.wire.ids import Clock
from chat2response.wire.json import too_deep
from chat2response.wire.machine import Fault
from chat2response.wire.responses import Response


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a turn. `error` is set exactly when the status is `failed`."""

    status: Ending = "completed"
    reason: str | None = None
    """Why incomplete: `max_output_tokens` or `content_filter`."""
    error: BridgeError | None = None
    service_tier: str | None = None
    """What the upstream says it used."""
    moderation: dict[str, Any] | None = None
    """What a moderated answer says of its input and output, as Responses has it."""


_CALLS = ("function_call", "custom_tool_call")
_WITHOUT_CALL = ("message.tool_calls", "announced by finish_reason and not there")


def from_finish_reason(
    finish: str,
    service_tier: str | None = None,
    moderation: dict[str, Any] | None = None,
    *,
    losses: Losses | None = None,
    called: bool = True,
) -> Outcome:
    """A Chat finish_reason, whoever's word it is; one that nobody knows is `incomplete`, and a loss.

    `called`: whether the answer has a call. Where `finish` announces one and there is none, that is a loss.
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


def later_finish_reason(before: str, word: str) -> str:
    """The finish_reason that counts of two in a row: no success behind a known end that is none."""
    if not before or not word:
        return word or before
    kept, given = finish_meaning(before), finish_meaning(word)
    cut = kept is not None and kept[0] != "completed"
    return before if cut and given is not None and given[0] == "completed" else word


def failed(error: BridgeError) -> Outcome:
    """The turn ended with an error."""
    return Outcome("failed", None, error)


def from_fault(fault: Fault) -> Outcome:
    """The stream was stopped, or stopped by itself, before its end."""
    return failed(fault_error(fault))


def fault_error(fault: Fault) -> BridgeError:
    """The error a fault is, for a client that still waits."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    if fault.cause in ("drain", "store"):
        return Unavailable(fault.message)
    if fault.cause == "revoked":
        return Unauthorized(fault.message)
    return UpstreamError(fault.message)


_STATUSES = ("completed", "incomplete", "failed", "cancelled", "queued", "in_progress")


def status_of(response: Mapping[str, Any]) -> Any:
    """The status of a response, in the API's words where its own are known; none is `completed`."""
    status = response.get("status") or "completed"
    if type(status) is str and status not in _STATUSES:
        known = finish_meaning(status)
        return known[0] if known else status
    return status


def from_response(response: Mapping[str, Any]) -> Outcome:
    """How a whole response ended; a status that is not an end is a failure, none at all is `completed`."""
    status = status_of(response)
    tier = response.get("service_tier")
    tier = tier if type(tier) is str else None
    moderation = response.get("moderation")
    moderation = moderation if type(moderation) is dict and not too_deep(moderation) else None
    error = upstream_error({"error": response.get("error")})
    if status == "completed" and error is None:
        return Outcome(service_tier=tier, moderation=moderation)
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if type(details) is dict else None
        return Outcome("incomplete", reason if type(reason) is str else None, None, tier, moderation)
    if status == "cancelled":
        return failed(UpstreamError("The response was cancelled.", status=400, code="response_cancelled"))
    said = status[:40] if type(status) is str else "something unknown"
    return failed(error or UpstreamError(f"The upstream's response ended as {said}."))


def finish_reason(response: Mapping[str, Any], losses: Losses | None = None) -> FinishReason:
    """The Chat word for a response that ended without failing. What it cannot say is added to `losses`."""
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


# Codes a client acts on (Codex retries or gives up by them), and those that the schema lists; every other
# failure is `server_error`.
_HONEST_CODES = frozenset(
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
    if error.code in _HONEST_CODES:
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
    """`response.error` as the error object that Chat and HTTP have, all four keys."""
    error = error or {}
    code = error.get("code") or "server_error"
    kind = _ERROR_TYPES.get(code, "server_error")
    return {"message": error.get("message"), "type": kind, "param": None, "code": code}


def conclude(
    response: Response, status: str, error: BridgeError | None, reason: str | None, clock: Clock
) -> None:
    """Writes into a response how it ended."""
    response["status"] = status  # type: ignore[typeddict-item]
    response["error"] = response_error(error) if error else None
    response["incomplete_details"] = {"reason": reason} if status == "incomplete" else None
    response["completed_at"] = int(clock()) if status == "completed" else None
