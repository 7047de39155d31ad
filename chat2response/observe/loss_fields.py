"""The metric labels of lost fields: names from the two OpenAI APIs and from backends.

Clients and upstreams can send any number of other names. Those must not fill `/metrics`, nor push out the
names that an operator looks for.
"""

import re

OTHER = "other"
MOST = 1000
"""The number of paths with a label of their own; further paths are counted by their first name."""

_NAMES = """
access_programs acknowledged_safety_checks action actions after allowed_callers allowed_domains
allowed_tools always annotations approval_request_id approve approximate arguments async attributes
audio authorization background button bytes cache_control call_id caller caller_id categories
chat_template_kwargs choices city code command commands compact_threshold comparison_response_id
completed_at completion_tokens completion_tokens_details complexity connector_id container container_id
content context context_compression context_management conversation country created created_at custom
cyber data defer_loading definition description detail diff display_height display_width domain
domain_secrets effort embedding_weight enable_thinking encrypted_content end_index env environment error
exclude execution exit_code external_web_access extra extra_body extra_content file file_data file_id
file_ids file_path file_url filename filters fingerprint finish_reason format frame_count
frame_duration_ms frequency_penalty function function_call functions generate generate_summary grammar
guided_json headers height hybrid_search id image image_url images include include_obfuscation
include_usage incomplete_details index input input_audio input_fidelity input_image_mask input_schema
input_tokens input_tokens_details instructions json_schema key keys limit logit_bias logprob logprobs
logs max_completion_tokens max_num_results max_output_length max_output_tokens max_tokens max_tool_calls
media_type memory_limit message messages metadata min_p modalities mode model moderation
moderation_details moderation_stage n name namespace network_policy never object odd operation order
outcome output output_audio output_compression output_format output_schema output_tokens
output_tokens_details outputs parallel_tool_calls param parameters partial_images path pattern
pending_safety_checks phase policy prediction presence_penalty previous_response_id prewarm prompt
prompt_cache_breakpoint prompt_cache_key prompt_cache_options prompt_cache_retention prompt_tokens
prompt_tokens_details quality queries query ranker ranking_options read_only reason reasoning
reasoning_content reasoning_details reasoning_effort reasoning_tokens refusal region repetition_penalty
require_approval response_format result results revised_prompt role safety_identifier schema score
score_threshold scroll_x scroll_y search_content_types search_context_size seed server_description
server_label server_url service_tier size skill_id skills source sources start_index status stderr
stdout stop store stream stream_id stream_options strict style summary svg svg_usage syntax
system_fingerprint temperature text text_weight thinking thinking_budget timeout_ms timezone title token
tool_call_id tool_calls tool_choice tool_names tools top_k top_logprobs top_p total_tokens truncation
ttl tunnel_id type url usage user user_location value variables vector_store_ids verbosity version voice
web_search_call web_search_options width working_directory x y
"""
_KNOWN = frozenset(_NAMES.split())
_PART = re.compile(r"([a-z_0-9]+)((?:\[[^\[\]]*\])*)")
_MAX_DEPTH = 6  # names in a path


def label_of(field: str) -> str:
    """The label of a field's path without its indexes (`messages[3].name` is `messages[].name`), or OTHER."""
    parts = field.split(".")
    if len(parts) > _MAX_DEPTH or len(field) > 200:
        return OTHER
    labels = []
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or match[1] not in _KNOWN:
            return OTHER
        labels.append(match[1] + _bracketed(match[2]))
    return ".".join(labels)


def first_name(label: str) -> str:
    """The first name of a label: one of `_KNOWN`, or OTHER."""
    return label.partition(".")[0].partition("[")[0]


def _bracketed(text: str) -> str:
    """Turns `[3]` into `[]` and an unknown name into `[?]`; `[custom]` stays."""
    if not text:
        return ""
    name = text[1:-1]
    return "[]" if not name or name.isdigit() else text if name in _KNOWN else "[?]"
