"""The codes that clients act on, found in real errors of vendors."""

import pytest

from chat2response.convert.errors.codes import classify_error
from chat2response.convert.errors.upstream_errors import plain_error, read_upstream_error
from chat2response.convert.outcome import response_error

CONTEXT = {
    "OpenAI": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    ),
    "OpenAI's Responses": "Your input exceeds the context window of this model. Please adjust your input.",
    "vLLM": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
    "vLLM, older": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "Ollama": "the input length exceeds the context length",
    "SGLang": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "LM Studio": "The number of tokens is greater than the context length.",
    "MiniMax": "invalid params, context window exceeds limit",
    "Anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "Bedrock": "Input is too long for requested model.",
    "Gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Mistral": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "Together": "`inputs` tokens + `max_new_tokens` must be <= 8193.",
    "Moonshot": "Invalid request: Your request exceeded model token limit: 262144",
    "GLM": "Prompt exceeds max length",
    "Qwen": "Range of input length should be [1, 129024]",
    "Groq": "Please reduce the length of the messages or completion.",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    "OpenRouter": "This endpoint's maximum context length is 32768 tokens.",
}


@pytest.mark.parametrize("vendor", CONTEXT)
@pytest.mark.parametrize("code", [None, 400, "invalid_request_error"])
def test_a_context_that_is_full_has_one_code_whoever_says_so(vendor: str, code: object) -> None:
    body = {"error": {"message": CONTEXT[vendor], "type": "BadRequestError", "code": code}}
    refused, streamed = read_upstream_error(body, 400), read_upstream_error(body)
    for error in (refused, streamed):
        assert error is not None
        assert (error.status, error.code, error.type) == (400, "context_length_exceeded", "BadRequestError")
        assert error.message == CONTEXT[vendor]
        assert response_error(error) == {"code": "context_length_exceeded", "message": CONTEXT[vendor]}
    assert plain_error(CONTEXT[vendor], 400).code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("code", "kind", "message", "status", "expected"),
    [
        (None, "exceed_context_size_error", "n", 400, "context_length_exceeded"),
        (None, "insufficient_quota", "n", 429, "insufficient_quota"),
        (None, None, "You exceeded your current quota, please check your plan.", 429, "insufficient_quota"),
        (None, None, "Insufficient Balance", 402, "insufficient_quota"),
        ("429", None, "Slow down.", 429, "rate_limit_exceeded"),
        (None, "requests", "Slow down.", 429, "rate_limit_exceeded"),
        (None, "rate_limit_error", "n", None, "rate_limit_exceeded"),
        ("content_filter", None, "n", 400, "invalid_prompt"),
        (None, None, "triggering Azure OpenAI's content management policy.", 400, "invalid_prompt"),
        ("data_inspection_failed", None, "n", 400, "invalid_prompt"),
        ("model_not_found", None, "no model with that maximum context length", 404, "model_not_found"),
        ("invalid_api_key", "rate_limit_error", "n", 401, "invalid_api_key"),
        ("busy", None, "Full.", 429, "busy"),
        ("invalid_value", None, "'temperature' is too long.", 400, "invalid_value"),
        (None, None, "Broken.", 500, None),
    ],
)
def test_other_errors(code, kind, message, status, expected) -> None:
    assert classify_error(code, kind, message, status) == expected


@pytest.mark.parametrize("code", ["invalid_image_url", "image_too_large", "failed_to_download_image"])
def test_a_code_that_the_schema_lists_is_kept(code: str) -> None:
    error = read_upstream_error({"error": {"message": "m", "code": code}}, 400)
    assert error is not None
    assert response_error(error)["code"] == code
