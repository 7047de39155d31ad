"""A whole Chat completion to a response, and a response to a completion, with no detour through events.

A completion is one delta with everything in it: the stream's `DeltaReader` reads it. Tests hold both
directions to the stream: the response equals the fold of the equivalent chunks, and the chunks of a
response add up to its completion.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.dialects.chat.answer.content_pieces import arguments_of, url_citation
from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.other_choices import OtherChoices, numbered
from chat2response.convert.dialects.chat.answer.unknown_keys import Unread, beside
from chat2response.convert.dialects.chat.tools.tool_names import sendable
from chat2response.convert.dialects.responses.output_items import output_text, read_items
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.errors.upstream_errors import upstream_error
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.logprobs import read_tokens
from chat2response.convert.loose_values import as_objects, as_parts, as_string, short_name
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
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
    """The response that says what `completion` says, its `logprobs` where they are to be shown.

    Raises UpstreamError where it is none, or an error.
    """
    choice = _first_choice(completion)
    losses = losses if losses is not None else Losses()
    writer = ResponseBuilder(echo, ids, clock, losses)
    reader = DeltaReader(writer, reasoning, quirks, logprobs=logprobs)
    message = _message(choice)
    reader.read(delta_of(message), choice.get("logprobs"))
    unread = Unread(losses)
    unread.name_in_choice(choice)
    unread.name(message)
    finish = _finish(choice, quirks)
    if len(completion["choices"]) > 1:
        finish = _others(completion["choices"], reader, losses, finish, quirks)
    if "citations" in completion or "search_results" in completion:
        reader.sources.take(completion.get("citations"), completion.get("search_results"))
    ended = reader.close(_ending(completion, finish, losses, called=reader.called))
    if ended.error is not None:
        raise ended.error
    reader.sources.finish()
    return writer.finish(usage.from_chat(_usage(completion, choice), quirks), ended)


def as_chunk(completion: Any) -> dict[str, Any]:
    """A completion as the one chunk that says the same, for a server that was asked to stream and did not.

    Raises UpstreamError where it is none, or an error.
    """
    _first_choice(completion)
    choices = enumerate(completion["choices"])
    each = [_as_delta(choice, number) for number, choice in choices if type(choice) is dict]
    return {**completion, "object": "chat.completion.chunk", "choices": each}


def _first_choice(completion: Any) -> dict[str, Any]:
    error = upstream_error(completion)
    if error is not None:
        raise error
    choices = completion.get("choices") if type(completion) is dict else None
    if type(choices) is not list or not choices or type(choices[0]) is not dict:
        raise UpstreamError("The upstream's answer is not a chat completion.")
    if choices[0].get("error") and (error := upstream_error({"error": choices[0]["error"]})):
        raise error
    return choices[0]


def _others(choices: list[Any], reader: DeltaReader, losses: Losses, finish: str, quirks: Quirks) -> str:
    """Says what stands in the other choices; gives how the turn ended."""
    others = OtherChoices()
    for number, choice in enumerate(choices[1:], 1):
        if type(choice) is dict:
            given = _finish(choice, quirks)
            others.keep(number, delta_of(_message(choice)), choice.get("logprobs"), given)
    for other in others.say(reader, losses, spoken=reader.texts > 0):
        finish = other if outcome.from_finish_reason(finish).status == "completed" else finish
    return finish


def _ending(completion: Mapping[str, Any], finish: str, losses: Losses, *, called: bool) -> Outcome:
    tier = completion.get("service_tier")
    tier = tier if type(tier) is str else None
    judged = moderation.from_chat(completion.get("moderation"), losses)
    return outcome.from_finish_reason(finish, tier, judged, losses=losses, called=called)


def _finish(choice: Mapping[str, Any], quirks: Quirks = OPENAI_COMPATIBLE) -> str:
    """The finish_reason; a body that came whole is an answer that ended, even where it does not say so."""
    word = finish_reason_text(choice.get("finish_reason"))
    return quirks.finish_reasons.get(word, word) or "stop"


def _usage(completion: Mapping[str, Any], choice: Mapping[str, Any]) -> Any:
    groq = completion.get("x_groq")
    of_groq = groq.get("usage") if type(groq) is dict else None
    return usage.first_with_counts(choice.get("usage"), completion.get("usage"), of_groq)


def _as_delta(choice: Mapping[str, Any], number: int) -> dict[str, Any]:
    kept = {key: value for key, value in choice.items() if key not in ("message", "text")}
    return {**kept, "index": number, "delta": _message(choice), "finish_reason": _finish(choice)}


def _message(choice: Mapping[str, Any]) -> dict[str, Any]:
    """What a choice says: in `message`, as it should, in `delta`, in `text`, or in the choice itself."""
    places = [{"content": each} if type(each) is str else each for each in map(choice.get, _PLACES)]
    said: dict[str, Any] = {}
    for place in (*places, beside(choice)):
        for name, value in place.items() if type(place) is dict else ():
            if not said.get(name):
                said[name] = value
    return numbered(said)


_PLACES = ("message", "delta", "text")


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
    """The completion that says what a finished response says. Raises UpstreamError for one that failed.

    `model`: the name the client asked for, shown in place of the response's own.
    `legacy`: a call is answered as `function_call`.
    """
    ended = outcome.from_response(response)
    if ended.error is not None:
        raise ended.error
    own = as_string(response.get("id")).removeprefix("resp_")
    said = _Said(losses if losses is not None else Losses(), own)
    for item in read_items(response, said.losses):
        said.take(item)
    said.beside(response)
    if said.nameless:
        raise UpstreamError(NAMELESS_CALL_MESSAGE)
    completion = _completion(response, said.message(reasoning_field), said, model)
    if legacy:
        _age(completion["choices"][0], said.losses)
    return completion


def _age(choice: Any, losses: Losses) -> None:
    """A choice's call in the deprecated form, which has room for one function's."""
    message = choice["message"]
    calls = message.pop("tool_calls", [])
    if calls:
        message["function_call"] = legacy_call(calls[0])
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = "function_call"
    if len(calls) > 1:
        losses.add(*SECOND_CALL)


def legacy_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call as `function_call` has it."""
    custom = call.get("custom")
    return call["function"] if custom is None else {"name": custom["name"], "arguments": custom["input"]}


SECOND_CALL = ("output[function_call]", "dropped: 'functions' have one call a message")


class _Said:
    """The items of a response, gathered into one message."""

    def __init__(self, losses: Losses, own: str) -> None:
        """`own`: what tells this response from others."""
        self.logprobs: list[Any] = []
        self.losses = losses
        self._own = own
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._call_ids: set[str] = set()

    def take(self, item: Mapping[str, Any]) -> None:
        kind = item.get("type")
        if kind == "message":
            for part in as_parts(item.get("content")):
                self._part(part)
        elif kind == "reasoning":
            self._thoughts.append(_reasoning_text(item))
        elif as_string(kind) in CALLS:
            self._call(tool_call(item, self.losses))
        else:
            self.losses.add(lost_item(kind))

    def beside(self, response: Mapping[str, Any]) -> None:
        """Takes the text beside the output, where that is all there is."""
        if response.get("output_text"):
            self._texts.append(output_text(response, "".join(self._texts), self.losses))

    @property
    def nameless(self) -> bool:
        """Whether there are calls, and none that says what is called."""
        return bool(self._calls) and not any(call[call["type"]]["name"] for call in self._calls)

    def message(self, reasoning_field: str) -> dict[str, Any]:
        """The assistant message; its content is null only where a refusal or a call stands in its place."""
        empty = None if self._calls or self._refusals else ""
        refusal = "".join(self._refusals) or None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self._texts) or empty,
            "refusal": refusal,
        }
        if thoughts := "\n\n".join(filter(None, self._thoughts)):
            message[reasoning_field] = thoughts
        if self._annotations:
            message["annotations"] = self._annotations
        if self._calls:
            message["tool_calls"] = [call for call in self._calls if call[call["type"]]["name"]]
            if len(message["tool_calls"]) < len(self._calls):
                self.losses.add(*NAMELESS_CALL)
        return message

    def _call(self, call: dict[str, Any]) -> None:
        """Its id is one that no other call has: clients answer calls by it."""
        if not call["id"] or call["id"] in self._call_ids:
            call["id"] = f"call_{self._own}_{len(self._calls)}"
        self._call_ids.add(call["id"])
        self._calls.append(call)

    def _part(self, part: Mapping[str, Any]) -> None:
        kind = part.get("type")
        if kind in ("output_text", "text"):
            self._text(part)
        elif kind == "refusal":
            self._refusals.append(as_string(part.get("refusal")))
        else:
            self.losses.add(f"output.content[{short_name(kind)}]")

    def _text(self, part: Mapping[str, Any]) -> None:
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
    """The name, among the losses, of an item that Chat has no place for."""
    return f"output[{short_name(kind)}]"


def lost_annotation(annotation: Mapping[str, Any]) -> str:
    """The same for an annotation."""
    return f"output.annotations[{short_name(annotation.get('type'))}]"


def nested_citation(annotation: Mapping[str, Any], offset: int = 0) -> dict[str, Any] | None:
    """A `url_citation` as Chat writes it, its places moved by `offset` characters; other kinds: None."""
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
    """Raw text where there is some, else the summaries: never both, they say the same."""
    for holder in ("content", "summary"):
        texts = [text for part in as_parts(item.get(holder)) if (text := as_string(part.get("text")))]
        if texts:
            return "\n\n".join(texts)
    return ""


def tool_call(item: Mapping[str, Any], losses: Losses | None = None) -> dict[str, Any]:
    """A call as Chat writes it; one of a namespace has it in its name.

    `losses`: for a call that is whole, its arguments are written once, and the rest of them is lost.
    """
    name = as_string(item.get("name"))
    if namespace := item.get("namespace"):
        name = sendable(as_string(namespace), name)
    call_id = as_string(item.get("call_id")) or as_string(item.get("id"))
    if item["type"] == "custom_tool_call":
        called = {"name": name, "input": as_string(item.get("input"))}
        return {"id": call_id, "type": "custom", "custom": called}
    arguments = arguments_of(item.get("arguments"))
    if losses is not None and item.get("status") != "incomplete":
        arguments, lost = normalize_arguments(arguments)
        if lost:
            losses.add(*TEXT_AFTER_END)
    called = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": called}


def _completion(
    response: Mapping[str, Any], message: dict[str, Any], said: "_Said", model: str | None
) -> ChatCompletion:
    created, finish = response.get("created_at"), outcome.finish_reason(response, said.losses)
    if finish == "stop" and message.get("tool_calls"):
        finish = "tool_calls"  # found where the output is no array of items
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
                "logprobs": {"content": said.logprobs, "refusal": None} if said.logprobs else None,
            }
        ],
    }
    counts = usage.to_chat(response.get("usage"))
    if counts is not None:
        completion["usage"] = counts
    if tier := response.get("service_tier"):
        completion["service_tier"] = tier
    if judged := moderation.to_chat(response.get("moderation")):
        completion["moderation"] = judged
    return completion  # type: ignore[return-value]
