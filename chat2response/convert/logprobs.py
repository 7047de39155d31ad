"""Token log probabilities, in the form that both APIs share."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.loose_values import as_objects, as_string

_IMPOSSIBLE = -9999.0
"""OpenAI's log probability for an extremely unlikely token; other vendors send `-Infinity`."""


def token_logprobs(logprobs: Any) -> list[dict[str, Any]]:
    """`logprobs.content` with the byte lists that Responses requires (Chat allows null)."""
    tokens = logprobs.get("content") if type(logprobs) is dict else None
    return read_tokens(tokens)


def read_tokens(tokens: Any) -> list[dict[str, Any]]:
    """Tokens of either dialect, with every key that Responses requires."""
    return [_token(token) for token in as_objects(tokens)]


def _token(token: Mapping[str, Any]) -> dict[str, Any]:
    return {**_one_token(token), "top_logprobs": [*map(_one_token, as_objects(token.get("top_logprobs")))]}


def _one_token(token: Mapping[str, Any]) -> dict[str, Any]:
    logprob, octets = token.get("logprob"), token.get("bytes")
    if logprob is None and "logprob" in token:
        logprob = _IMPOSSIBLE
    return {
        "token": as_string(token.get("token")),
        "logprob": logprob if type(logprob) in (float, int) else 0.0,
        "bytes": [each for each in octets if type(each) is int] if type(octets) is list else [],
    }
