"""`ReasoningForm`: where a response shows reasoning, and who decides it."""

from collections.abc import Mapping
from typing import Any, Literal

from chat2response.convert.client_profiles import DEFAULT, ClientProfile

ReasoningForm = Literal["summary", "content", "hide"]
"""As `summary` parts, as raw `content`, or not at all."""


def reasoning_form(
    request: Mapping[str, Any], setting: ReasoningForm | None = None, client: ClientProfile = DEFAULT
) -> ReasoningForm:
    """Decides where reasoning goes: the operator's setting, or else where this kind of client reads it.

    `request`: the hub's body. A client that reads both forms gets a summary if it requests one.
    """
    if setting is not None:
        return setting
    if not client.raw_reasoning:
        return "summary"
    options = request.get("reasoning")
    summary_requested = type(options) is dict and (options.get("summary") or options.get("generate_summary"))
    return "summary" if summary_requested else "content"
