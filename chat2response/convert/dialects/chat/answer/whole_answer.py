"""Converts a whole Chat completion to a response, and a response to a completion, without events in between.

A completion is one delta that contains everything: the stream's `DeltaReader` reads it. Tests compare both
directions with the stream: the response equals the fold of the equivalent chunks, and the chunks of a
response add up to its completion.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.dialects.chat.answer.content_pieces import url_citation
from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.other_choices import OtherChoices, with_indices
from chat2response.convert.dialects.chat.answer.unknown_keys import UnknownKeys, message_fields
from chat2response.convert.dialects.chat.tools.tool_names import sendable_name
from chat2response.convert.dialects.responses.answer.output_items import output_text, read_items
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.logprobs import read_tokens
from chat2response.convert.loose_values import arguments_of, as_objects, as_parts, as_string, short_name
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.writer.call_arguments import TEXT_AFTER_END, normalize_arguments
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE
from chat2response.convert.writer.response_builder import ResponseBuilder
from chat2response.errors import UpstreamError
from chat2response.wire.chat import ChatCompletion, delta_of
from chat2response.wire.ids import Clock, Ids, completion_id
from chat2response.wire.responses import Response

# -- completion to response --------------------------------------------------------------------------


def read_response(
    completion: Any,
    echo: EchoedFields,
    ids: Ids,
    clock: Clock,
    *,
    reasoning: ReasoningForm = "content",
    losses: Losses | None = None,
    quirks: Quirks = OPENAI_COMPATIBLE,
    logprobs: bool = True,
) -> Response:
    """Converts `completion` to a response; `logprobs`: whether to pass them on.

    Raises UpstreamError if it is an error, or no completion.
    """
    choice = _first_choice(completion)
    losses = losses if losses is not None else Losses()
    writer = ResponseBuilder(echo, ids, clock, losses)
    reader = DeltaReader(writer, reasoning, quirks, logprobs=logprobs)
    message = _message_of(choice)
    reader.read(delta_of(message), choice.get("logprobs"))
    unknown_keys = UnknownKeys(losses)
    unknown_keys.report_choice(choice)
    unknown_keys.report(message)
    finish = _finish_reason(choice, quirks)
    if len(completion["choices"]) > 1:
        finish = _write_other_choices(completion["choices"], reader, losses, finish, quirks)
    if "citations" in completion or "search_results" in completion:
        reader.sources.add(completion.get("citations"), completion.get("search_results"))
    ending = reader.close(_outcome_of(completion, finish, losses, called=reader.has_calls))
    if ending.error is not None:
        raise ending.error
    reader.sources.finish()
    return writer.finish(usage.from_chat(_usage_of(completion, choice), quirks), ending)


def as_chunk(completion: Any) -> dict[str, Any]:
    """Converts a completion to one equivalent chunk, for an upstream that did not stream as requested.

    Raises UpstreamError if it is an error, or no completion.
    """
    _first_choice(completion)
    choices = enumerate(completion["choices"])
    each = [_as_delta(choice, number) for number, choice in choices if type(choice) is dict]
    return {**completion, "object": "chat.completion.chunk", "choices": each}


def _first_choice(completion: Any) -> dict[str, Any]:
    if not _is_standard(completion) and (error := read_upstream_error(completion)):
        raise error
    choices = completion.get("choices") if type(completion) is dict else None
    if type(choices) is not list or not choices or type(choices[0]) is not dict:
        raise UpstreamError("The upstream's answer is not a chat completion.")
    if choices[0].get("error") and (error := read_upstream_error({"error": choices[0]["error"]})):
        raise error
    return choices[0]


def _is_standard(completion: Any) -> bool:
    """Whether this is a completion without any further keys, as most are; so it is no error."""
    return (
        type(completion) is dict
        and completion.get("object") == "chat.completion"
        and completion.keys() <= _COMPLETION_KEYS
    )


_COMPLETION_KEYS = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"}
)


def _write_other_choices(
    choices: list[Any], reader: DeltaReader, losses: Losses, finish: str, quirks: Quirks
) -> str:
    """Writes what stands in the other choices; returns the finish reason of the turn."""
    others = OtherChoices()
    for number, choice in enumerate(choices[1:], 1):
        if type(choice) is dict:
            reason = _finish_reason(choice, quirks)
            others.add(number, delta_of(_message_of(choice)), choice.get("logprobs"), reason)
    for other in others.write(reader, losses, has_text=reader.text_chars > 0):
        finish = other if outcome.from_finish_reason(finish).status == "completed" else finish
    return finish


def _outcome_of(completion: Mapping[str, Any], finish: str, losses: Losses, *, called: bool) -> Outcome:
    tier = completion.get("service_tier")
    tier = tier if type(tier) is str else None
    verdict = moderation.from_chat(completion.get("moderation"), losses)
    return outcome.from_finish_reason(finish, tier, verdict, losses=losses, called=called)


def _finish_reason(choice: Mapping[str, Any], quirks: Quirks = OPENAI_COMPATIBLE) -> str:
    """The finish reason; a whole body is an answer that ended, even without one."""
    reason = finish_reason_text(choice.get("finish_reason"))
    return quirks.finish_reasons.get(reason, reason) or "stop"


def _usage_of(completion: Mapping[str, Any], choice: Mapping[str, Any]) -> Any:
    of_choice, of_completion = choice.get("usage"), completion.get("usage")
    if of_choice is None and "x_groq" not in completion:
        return of_completion
    groq = completion.get("x_groq")
    of_groq = groq.get("usage") if type(groq) is dict else None
    return usage.first_with_counts(of_choice, of_completion, of_groq)


def _as_delta(choice: Mapping[str, Any], number: int) -> dict[str, Any]:
    fields = {key: value for key, value in choice.items() if key not in ("message", "text")}
    return {**fields, "index": number, "delta": _message_of(choice), "finish_reason": _finish_reason(choice)}


def _message_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The message of a choice: in `message` (the standard), `delta` or `text`, or in the choice itself."""
    standard = choice.get("message")
    if type(standard) is dict and choice.keys() <= _STANDARD_KEYS:
        return with_indices({**standard})  # nearly every answer: nothing to merge
    values = map(choice.get, _MESSAGE_KEYS)
    candidates = [{"content": each} if type(each) is str else each for each in values]
    message: dict[str, Any] = {}
    for candidate in (*candidates, message_fields(choice)):
        for name, value in candidate.items() if type(candidate) is dict else ():
            if not message.get(name):
                message[name] = value
    return with_indices(message)


_MESSAGE_KEYS = ("message", "delta", "text")
_STANDARD_KEYS = frozenset({"index", "message", "finish_reason", "logprobs"})  # none is a message's field


CALLS = frozenset({"function_call", "custom_tool_call"})

# -- response to completion --------------------------------------------------------------------------


def write_response(
    response: Mapping[str, Any],
    *,
    model: str | None = None,
    reasoning_field: str = "reasoning_content",
    losses: Losses | None = None,
    legacy: bool = False,
) -> ChatCompletion:
    """Converts a finished response to a completion. Raises UpstreamError for one that failed.

    `model`: the name that the client requested, shown in place of the response's own.
    `legacy`: writes a call as `function_call`.
    """
    ending = outcome.from_response(response)
    if ending.error is not None:
        raise ending.error
    own = as_string(response.get("id")).removeprefix("resp_")
    builder = _MessageBuilder(losses if losses is not None else Losses(), own)
    for item in read_items(response, builder.losses):
        builder.add(item)
    builder.add_output_text(response)
    if builder.nameless:
        raise UpstreamError(NAMELESS_CALL_MESSAGE)
    completion = _build_completion(response, builder.message(reasoning_field), builder, model)
    if legacy:
        _to_legacy(completion["choices"][0], builder.losses)
    return completion


def _to_legacy(choice: Any, losses: Losses) -> None:
    """Rewrites the calls of a choice in the deprecated form, which has room for one function call."""
    message = choice["message"]
    calls = message.pop("tool_calls", [])
    if calls:
        message["function_call"] = legacy_call(calls[0])
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = "function_call"
    if len(calls) > 1:
        losses.add(*SECOND_CALL)


def legacy_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call in the form of `function_call`."""
    custom = call.get("custom")
    return call["function"] if custom is None else {"name": custom["name"], "arguments": custom["input"]}


SECOND_CALL = ("output[function_call]", "dropped: 'functions' allow one call per message")


class _MessageBuilder:
    """Collects the items of a response into one message."""

    def __init__(self, losses: Losses, own: str) -> None:
        """`own`: the part of the response's id that is unique."""
        self.logprobs: list[Any] = []
        self.losses = losses
        self._own = own
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._reasoning: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._call_ids: set[str] = set()

    def add(self, item: Mapping[str, Any]) -> None:
        kind = item.get("type")
        if kind == "message":
            for part in as_parts(item.get("content")):
                self._add_part(part)
        elif kind == "reasoning":
            self._reasoning.append(_reasoning_text(item))
        elif as_string(kind) in CALLS:
            self._add_call(tool_call(item, self.losses))
        else:
            self.losses.add(lost_item(kind))

    def add_output_text(self, response: Mapping[str, Any]) -> None:
        """Adds the text beside the output, if there is no other."""
        if response.get("output_text"):
            self._texts.append(output_text(response, "".join(self._texts), self.losses))

    @property
    def nameless(self) -> bool:
        """Whether there are calls, but none with a name."""
        return bool(self._calls) and not any(call[call["type"]]["name"] for call in self._calls)

    def message(self, reasoning_field: str) -> dict[str, Any]:
        """The assistant message; its content is null only if a refusal or a call stands in its place."""
        empty = None if self._calls or self._refusals else ""
        refusal = "".join(self._refusals) or None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self._texts) or empty,
            "refusal": refusal,
        }
        if reasoning := "\n\n".join(filter(None, self._reasoning)):
            message[reasoning_field] = reasoning
        if self._annotations:
            message["annotations"] = self._annotations
        if self._calls:
            message["tool_calls"] = [call for call in self._calls if call[call["type"]]["name"]]
            if len(message["tool_calls"]) < len(self._calls):
                self.losses.add(*NAMELESS_CALL)
        return message

    def _add_call(self, call: dict[str, Any]) -> None:
        """Adds a call under a unique id, because clients answer calls by their ids."""
        if not call["id"] or call["id"] in self._call_ids:
            call["id"] = f"call_{self._own}_{len(self._calls)}"
        self._call_ids.add(call["id"])
        self._calls.append(call)

    def _add_part(self, part: Mapping[str, Any]) -> None:
        kind = part.get("type")
        if kind in ("output_text", "text"):
            self._add_text(part)
        elif kind == "refusal":
            self._refusals.append(as_string(part.get("refusal")))
        else:
            self.losses.add(f"output.content[{short_name(kind)}]")

    def _add_text(self, part: Mapping[str, Any]) -> None:
        text = as_string(part.get("text"))
        self.logprobs.extend(read_tokens(part.get("logprobs")))
        for annotation in as_objects(part.get("annotations")):
            nested = nested_citation(annotation, self._length)
            if nested is None:
                self.losses.add(lost_annotation(annotation))
            else:
                self._annotations.append(nested)
        self._texts.append(text)
        self._length += len(text)


def lost_item(kind: Any) -> str:
    """The loss name of an item that Chat has no place for."""
    return f"output[{short_name(kind)}]"


def lost_annotation(annotation: Mapping[str, Any]) -> str:
    """The loss name of an annotation that Chat has no place for."""
    return f"output.annotations[{short_name(annotation.get('type'))}]"


def nested_citation(annotation: Mapping[str, Any], offset: int = 0) -> dict[str, Any] | None:
    """A `url_citation` in the form of Chat, indices moved by `offset` characters; None for other kinds."""
    flat = url_citation(annotation) if annotation.get("type") == "url_citation" else None
    if flat is None:
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "url": flat["url"],
            "title": flat["title"],
            "start_index": flat["start_index"] + offset,
            "end_index": flat["end_index"] + offset,
        },
    }


def _reasoning_text(item: Mapping[str, Any]) -> str:
    """The raw text if there is some, else the summaries; never both, because they repeat each other."""
    for holder in ("content", "summary"):
        texts = [text for part in as_parts(item.get(holder)) if (text := as_string(part.get("text")))]
        if texts:
            return "\n\n".join(texts)
    return ""


def tool_call(item: Mapping[str, Any], losses: Losses | None = None) -> dict[str, Any]:
    """A call in the form of Chat; a namespace becomes part of its name.

    `losses`: set for a whole call; text after its arguments is dropped then, and a loss.
    """
    name = as_string(item.get("name"))
    if namespace := item.get("namespace"):
        name = sendable_name(as_string(namespace), name)
    call_id = as_string(item.get("call_id")) or as_string(item.get("id"))
    if item["type"] == "custom_tool_call":
        function = {"name": name, "input": as_string(item.get("input"))}
        return {"id": call_id, "type": "custom", "custom": function}
    arguments = arguments_of(item.get("arguments"))
    if losses is not None and item.get("status") != "incomplete":
        arguments, has_extra_text = normalize_arguments(arguments)
        if has_extra_text:
            losses.add(*TEXT_AFTER_END)
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _build_completion(
    response: Mapping[str, Any], message: dict[str, Any], builder: "_MessageBuilder", model: str | None
) -> ChatCompletion:
    created, finish = response.get("created_at"), outcome.finish_reason(response, builder.losses)
    if finish == "stop" and message.get("tool_calls"):
        finish = "tool_calls"  # the output was no array of items, but contains calls
    completion: dict[str, Any] = {
        "id": completion_id(as_string(response.get("id"))),
        "object": "chat.completion",
        "created": int(created) if isinstance(created, int | float) else 0,
        "model": model or as_string(response.get("model")),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": finish,
                "logprobs": {"content": builder.logprobs, "refusal": None} if builder.logprobs else None,
            }
        ],
    }
    counts = usage.to_chat(response.get("usage"))
    if counts is not None:
        completion["usage"] = counts
    if tier := response.get("service_tier"):
        completion["service_tier"] = tier
    if verdict := moderation.to_chat(response.get("moderation")):
        completion["moderation"] = verdict
    return completion  # type: ignore[return-value]
