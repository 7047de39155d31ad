"""Maps the code, type and message of an upstream's error to the codes that clients act on.

Codex ends a turn on `context_length_exceeded` and `invalid_prompt`, waits on `rate_limit_exceeded`, and
retries everything else, but few backends send these codes. The patterns are phrases of vendors and servers,
each specific enough not to match an error about something else.
"""

import re
from collections.abc import Mapping

CONTEXT, RATE, QUOTA, PROMPT = (
    "context_length_exceeded",
    "rate_limit_exceeded",
    "insufficient_quota",
    "invalid_prompt",
)

_BY_NAME: Mapping[str, str] = {
    # codes and types, in lower case
    "context_length_exceeded": CONTEXT,
    "exceed_context_size_error": CONTEXT,  # llama.cpp
    "context_window_exceeded": CONTEXT,
    "model_context_window_exceeded": CONTEXT,
    "rate_limit_exceeded": RATE,
    "rate_limit_error": RATE,
    "rate_limit_reached": RATE,
    "too_many_requests": RATE,
    "insufficient_quota": QUOTA,
    "billing_hard_limit_reached": QUOTA,
    "exceeded_current_quota_error": QUOTA,  # Moonshot
    "billing_error": QUOTA,  # Anthropic
    "insufficient_balance": QUOTA,
    "invalid_prompt": PROMPT,
    "content_policy_violation": PROMPT,
    "content_filter": PROMPT,  # Azure
    "responsibleaipolicyviolation": PROMPT,
    "moderation_blocked": PROMPT,
    "data_inspection_failed": PROMPT,  # Qwen
    "datainspectionfailed": PROMPT,
}

_BY_MESSAGE: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (code, re.compile("|".join(texts), re.IGNORECASE | re.DOTALL))
    for code, texts in (
        (
            CONTEXT,
            (
                r"maximum (?:context|model|prompt) length",  # OpenAI, vLLM, DeepSeek, xAI, OpenRouter
                r"exceeds? the context (?:window|length)",  # OpenAI's Responses, Ollama
                r"exceeds? (?:the )?(?:available|maximum) context",  # llama.cpp, Ollama
                r"(?:longer|greater) than the (?:model's |maximum )?(?:context|model) length",  # SGLang
                r"context (?:size|window|length) (?:has been |was |is )?exceed(?:ed|s)",  # LM Studio, MiniMax
                r"prompt is too long",  # Anthropic
                r"input is too long for (?:the )?requested model",  # Bedrock
                r"input token count .{0,40}exceeds the maximum",  # Gemini
                r"too large for model with \d+ maximum context",  # Mistral
                r"`?inputs`? tokens \+ `?max_new_tokens`? must be",  # TGI, Together
                r"exceeded model token limit",  # Moonshot
                r"prompt exceeds max(?:imum)? length",  # GLM
                r"range of input length should be",  # Qwen
                r"please reduce the length of the (?:messages|prompt|input)",  # Groq, Fireworks
                r"too many tokens in (?:the )?(?:prompt|input|request)",
                r"\bcontext_length_exceeded\b",  # a code inside a forwarded message
            ),
        ),
        (
            QUOTA,
            (
                r"exceeded your current quota",
                r"insufficient (?:balance|credits|funds)",
                r"\binsufficient_quota\b",
            ),
        ),
        (RATE, (r"\brate_limit_exceeded\b",)),
        (PROMPT, (r"content management policy", r"flagged as potentially violating our usage policy")),
    )
)
_NOT_ABOUT_THE_REQUEST = (401, 403, 404)


_BASE_RESP: Mapping[int, str] = {1002: RATE, 1008: QUOTA, 1026: PROMPT, 1039: RATE, 1041: RATE}
"""The numeric codes in MiniMax's `base_resp`."""


def base_resp_code(number: int) -> str:
    """The code for a number in MiniMax's `base_resp`."""
    return _BASE_RESP.get(number, str(number))


def is_known_code(code: str) -> bool:
    """Whether clients act on this code, or on the code that a vendor's name stands for."""
    return code.lower() in _BY_NAME


def classify_error(code: str | None, kind: str | None, message: str, status: int | None) -> str | None:
    """The code that clients act on, found by the error's code, type (`kind`) and message; else its own code.

    `status`: the HTTP status of the error, if it has one.
    """
    if status in _NOT_ABOUT_THE_REQUEST:
        return code
    for name in (code, kind):
        if name is not None and (known := _BY_NAME.get(name.lower())):
            return known
    for known, pattern in _BY_MESSAGE:
        if pattern.search(message):
            return known
    if code is None or code.isdecimal():
        return {402: QUOTA, 429: RATE}.get(status or 0, code)
    return code
