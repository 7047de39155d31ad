"""The profiles of known backends, each a `Quirks` (law 11, quirks are data).

They come from the backends' documentation and from reports of their users. A profile is chosen by name, never
guessed from a model name. Where the models of one vendor differ, the profile fits the newest ones. Override
fields with `CHAT2RESPONSE_QUIRKS`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chat2response.convert.quirks.quirks import (
    Quirks,
    QuirksError,
    ResponseFormatType,
    ToolChoiceKind,
    with_overrides,
)

GENERIC = "generic"
OPENAI = "openai"

_JSON_MODE: frozenset[ResponseFormatType] = frozenset({"text", "json_object"})
_NO_FORCED_CHOICE: frozenset[ToolChoiceKind] = frozenset({"auto", "none"})
_THINK = (("<think>", "</think>"),)
_CACHE_FIELDS = frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})

# The efforts of backends that have three levels.
_THREE_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}
_DEEPSEEK_EFFORTS = {"minimal": "low", "medium": "high", "xhigh": "high"}  # DeepSeek's own table

_TEMPLATE_ON = {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}
_TEMPLATE_OFF = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
_THINKING_ON = {"thinking": {"type": "enabled"}}
_THINKING_OFF = {"thinking": {"type": "disabled"}}

_openai = Quirks(custom_tools=True, moderation=True, max_call_id=40, reasoning_echo="never")

# What nearly every server accepts. Provider metadata of an answer goes back to the server.
_generic = Quirks(
    max_tokens="max_tokens",
    developer_role=False,
    system_placement="joined",
    flatten_content=True,
    mixed_strict=False,  # the server may be one that refuses it
    carried=frozenset({"reasoning_details", "thinking_blocks", "extra_content"}),
    reasoning_required=True,  # the server may be one that requires it
)

# Newer chat templates raise for a system message that is not at the start, so these servers refuse it.
_vllm = Quirks(
    max_tokens="max_tokens",
    developer_role=False,  # most chat templates raise on it
    system_placement="first_only",
    video=True,
    flatten_content=True,
    effort_values=_THREE_EFFORTS,
    reasoning_on=_TEMPLATE_ON,
    reasoning_off=_TEMPLATE_OFF,
    reasoning_in=("reasoning", "reasoning_content"),  # `reasoning` since 0.11.1
    reasoning_field="reasoning",
)

_sglang = Quirks(
    max_tokens="max_tokens",
    developer_role=False,
    system_placement="first_only",
    video=True,
    flatten_content=True,
    effort_values=_THREE_EFFORTS,
    reasoning_on=_TEMPLATE_ON,
    reasoning_off=_TEMPLATE_OFF,
)

_llama_cpp = Quirks(
    max_tokens="max_tokens",
    tool_choices=frozenset({"auto", "none", "required"}),  # it treats a named one as auto
    developer_role=False,
    system_placement="first_only",
    flatten_content=True,
    effort_field="chat_template_kwargs.reasoning_effort",
    effort_values=_THREE_EFFORTS,
    reasoning_on={"chat_template_kwargs": {"enable_thinking": True}},
    reasoning_off={"chat_template_kwargs": {"enable_thinking": False}},
)

_ollama = Quirks(
    max_tokens="max_tokens",
    parallel_tools=False,
    tool_choices=frozenset({"auto"}),
    developer_role=False,
    system_placement="first_only",
    flatten_content=True,
    effort_values=_THREE_EFFORTS,
    reasoning_in=("reasoning", "reasoning_content"),
    reasoning_field="reasoning",
)

_lm_studio = Quirks(
    max_tokens="max_tokens",
    tool_choices=frozenset({"auto", "none", "required"}),
    response_formats=frozenset({"text", "json_schema"}),
    developer_role=False,
    system_placement="first_only",
    flatten_content=True,
    effort_values=_THREE_EFFORTS,
    think_tags=_THINK,  # unless its setting for a separate field is on
)

_deepseek = Quirks(
    max_tokens="max_tokens",
    strict_tools=False,  # only its beta endpoint accepts it
    thinking_tool_choices=_NO_FORCED_CHOICE,
    response_formats=_JSON_MODE,
    developer_role=False,
    system_placement="joined",
    flatten_content=True,
    effort_values=_DEEPSEEK_EFFORTS,
    reasoning_on=_THINKING_ON,
    reasoning_off=_THINKING_OFF,
    reasoning_required=True,
    cached_tokens=("prompt_cache_hit_tokens", "prompt_tokens_details.cached_tokens"),
)

_moonshot = Quirks(
    strict_tools=False,
    tool_choices=frozenset({"auto", "none", "required", "named"}),
    thinking_tool_choices=_NO_FORCED_CHOICE,
    response_formats=_JSON_MODE,
    developer_role=False,
    system_placement="joined",
    video=True,
    flatten_content=True,
    effort_values=_DEEPSEEK_EFFORTS,
    reasoning_off=_THINKING_OFF,  # no `reasoning_on`: it refuses the switch beside an effort
    reasoning_required=True,
    cached_tokens=("cached_tokens", "prompt_tokens_details.cached_tokens"),
)

_qwen = Quirks(
    max_tokens="max_tokens",
    tool_choices=frozenset({"auto", "none", "named"}),
    thinking_tool_choices=_NO_FORCED_CHOICE,
    response_formats=_JSON_MODE,
    developer_role=False,
    system_placement="first_only",
    video=True,
    flatten_content=True,
    effort_field="",
    reasoning_on={"enable_thinking": True},
    reasoning_off={"enable_thinking": False},
)

_glm = Quirks(
    max_tokens="max_tokens",
    usage_in_stream=False,  # its last chunk always has the usage
    parallel_tools=False,
    strict_tools=False,
    tool_choices=frozenset({"auto"}),
    response_formats=_JSON_MODE,
    dropped_fields=frozenset({"frequency_penalty", "presence_penalty"}),
    extra_body={"tool_stream": True},  # without it, a call's arguments come in one piece after a long pause
    developer_role=False,
    system_placement="joined",
    video=True,
    flatten_content=True,
    message_names=False,
    effort_values={**_DEEPSEEK_EFFORTS, "none": "low"},  # the newest models always think, and refuse `none`
    reasoning_on=_THINKING_ON,
)

_openrouter = Quirks(
    max_tokens="max_tokens",
    system_placement="joined",
    video=True,
    effort_field="reasoning.effort",
    effort_values={"max": "xhigh"},
    reasoning_in=("reasoning", "reasoning_content"),
    carried=frozenset({"reasoning_details"}),
    reasoning_echo="always",
    reasoning_field="reasoning",
)

_groq = Quirks(
    dropped_fields=_CACHE_FIELDS
    | {"logit_bias", "logprobs", "top_logprobs", "safety_identifier", "verbosity"},
    developer_role=False,
    system_placement="joined",
    flatten_content=True,
    message_names=False,
    effort_values=_THREE_EFFORTS,
    reasoning_in=("reasoning",),
    think_tags=_THINK,  # its `raw` format, the default of some models
    reasoning_field="reasoning",  # it answers 400 to `reasoning_content`
)

_mistral = Quirks(
    max_tokens="max_tokens",
    usage_in_stream=False,  # its last chunk always has the usage; the option gets a 422
    allowed_fields=frozenset(
        {
            *("temperature", "top_p", "stop", "n", "seed", "presence_penalty", "frequency_penalty"),
            *("response_format", "prediction", "reasoning_effort", "prompt_mode", "safe_prompt"),
            *("document_image_limit", "document_page_limit", "guardrails", "metadata"),
        }
    ),
    renamed_fields={"seed": "random_seed"},
    tool_choices=frozenset({"auto", "none", "required", "named"}),
    developer_role=False,
    system_placement="joined",
    assistant_after_tools="Understood.",  # it refuses a user or system message there
    message_names=False,
    max_call_id=9,
    call_id_form="[a-zA-Z0-9]{9}",
    # Small and Medium accept none and high; Large accepts low and medium too.
    effort_values={"minimal": "none", "low": "high", "medium": "high", "xhigh": "high", "max": "high"},
    reasoning_echo="always",
    reasoning_form="thinking_part",
)

_gemini = Quirks(
    parallel_tools=False,
    letter_names=True,
    dropped_fields=_CACHE_FIELDS | {"logit_bias", "safety_identifier", "service_tier", "verbosity"},
    developer_role=False,
    system_placement="joined",
    flatten_content=True,
    effort_values={"xhigh": "high", "max": "high"},
    think_tags=(("<thought>", "</thought>"),),  # with `include_thoughts`
    carried=frozenset({"extra_content"}),
    reasoning_echo="never",
    missing_signature="skip_thought_signature_validator",
)

_minimax = Quirks(
    parallel_tools=False,
    strict_tools=False,
    tool_choices=frozenset({"auto", "none", "required", "named"}),
    thinking_tool_choices=frozenset({"auto"}),
    response_formats=frozenset({"text"}),
    dropped_fields=frozenset({"frequency_penalty", "presence_penalty", "seed"}),
    extra_body={"reasoning_split": True},
    developer_role=False,
    system_placement="first_only",
    flatten_content=True,
    effort_field="",
    reasoning_on={"thinking": {"type": "adaptive"}},
    reasoning_off=_THINKING_OFF,
    think_tags=(*_THINK, ("<mm:think>", "</mm:think>")),  # with `reasoning_split: false`
    cumulative_details=True,
    carried=frozenset({"reasoning_details"}),
    reasoning_echo="always",
)

_litellm = Quirks(
    max_tokens="max_tokens",
    system_placement="joined",
    video=True,
    carried=frozenset({"thinking_blocks", "extra_content"}),  # Anthropic's and Gemini's signatures
    reasoning_echo="always",
)

_xai = Quirks(
    developer_role=False,
    system_placement="joined",
    effort_values=_THREE_EFFORTS,
    reasoning_echo="never",
    completion_tokens="without_reasoning",
)

PROFILES: Mapping[str, Quirks] = MappingProxyType(
    {
        OPENAI: _openai,
        "vllm": _vllm,
        "ollama": _ollama,
        "llama.cpp": _llama_cpp,
        "sglang": _sglang,
        "lmstudio": _lm_studio,
        "deepseek": _deepseek,
        "moonshot": _moonshot,
        "qwen": _qwen,
        "glm": _glm,
        "openrouter": _openrouter,
        "groq": _groq,
        "mistral": _mistral,
        "gemini": _gemini,
        "minimax": _minimax,
        "litellm": _litellm,
        "xai": _xai,
        GENERIC: _generic,
    }
)


def resolve_quirks(quirks: Quirks | str) -> Quirks:
    """Returns `quirks`, or those of the profile of this name. Raises QuirksError, or TypeError."""
    if isinstance(quirks, Quirks):
        return quirks
    if isinstance(quirks, str):
        return profile(quirks)
    raise TypeError(f"quirks must be a Quirks or the name of a profile, not {type(quirks).__name__}")


def profile(name: str, overrides: Mapping[str, Any] | None = None) -> Quirks:
    """Returns the quirks of a known backend, with `overrides` replaced. Raises QuirksError."""
    quirks = PROFILES.get(name.strip().lower())
    if quirks is None:
        from difflib import get_close_matches  # imported only for an error

        close_matches = get_close_matches(name.lower(), PROFILES, n=1, cutoff=0.0)
        known = ", ".join(PROFILES)
        raise QuirksError(f"Unknown profile: {name!r}. Did you mean {close_matches[0]!r}? Known: {known}.")
    return with_overrides(quirks, overrides) if overrides else quirks
