"""A whole Chat completion to a response, and a response to a completion, with no detour through events.

A differential test holds `read_response` to the stream: it equals the fold of the equivalent chunks.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert import items, outcome, usage
from chat2response.convert.chat.answer import (
    ReasoningForm,
    arguments_of,
    content_pieces,
    reasoning_of,
    token_logprobs,
    url_citation,
)
from chat2response.convert.echo import Echo
from chat2response.convert.events import REASONING, REFUSAL, SUMMARY, TEXT
from chat2response.convert.failures import upstream_error
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.errors import UpstreamError
from chat2response.wire.chat import ChatCompletion
from chat2response.wire.ids import Clock, Ids, completion_id
from chat2response.wire.responses import Response

# -- completion to response --------------------------------------------------------------------------


def read_response(
    completion: Any,
    echo: Echo,
    ids: Ids,
    clock: Clock,
    *,
    reasoning: ReasoningForm = "content",
    losses: Losses | None = None,
) -> Response:
    """The response that says what `completion` says. Raises UpstreamError for a body that is no completion."""
    lost = losses if losses is not None else Losses()
    choice = _first_choice(completion)
    message = choice.get("message")
    message = message if type(message) is dict else {}
    response = echo.response(ids("resp"), int(clock()))
    output = response["output"]
    _read_reasoning(message, output, ids, reasoning, lost)
    _read_text(message, choice.get("logprobs"), output, ids, lost)
    _read_calls(message, output, ids)
    ended = _ending(completion, choice)
    if ended.error is not None:
        raise ended.error
    response["usage"] = usage.from_chat(completion.get("usage"))
    _end(response, ended, ids, clock)
    return response


def _first_choice(completion: Any) -> dict[str, Any]:
    error = upstream_error(completion)
    if error is not None:
        raise error
    choices = completion.get("choices") if type(completion) is dict else None
    if type(choices) is not list or not choices or type(choices[0]) is not dict:
        raise UpstreamError("The upstream's answer is not a chat completion.")
    return choices[0]


def _read_reasoning(
    message: Mapping[str, Any], output: list[dict[str, Any]], ids: Ids, form: ReasoningForm, lost: Losses
) -> None:
    texts = [reasoning_of(message)]
    for kind, text in content_pieces(message.get("content")):
        if kind == "reasoning":
            texts.append(text)
        elif kind == "lost":
            lost.add(f"content part {text}")
    whole = "".join(texts)
    if whole and form != "hide":
        item = items.reasoning(ids("rs"), "completed")
        kind_of = SUMMARY if form == "summary" else REASONING
        item[kind_of.holder] = [items.part(kind_of, whole)]
        output.append(item)


def _read_text(
    message: Mapping[str, Any], logprobs: Any, output: list[dict[str, Any]], ids: Ids, lost: Losses
) -> None:
    pieces = list(content_pieces(message.get("content")))
    text = "".join(piece for kind, piece in pieces if kind == "text")
    refusal = "".join(piece for kind, piece in pieces if kind == "refusal")
    given = message.get("refusal")
    refusal += given if type(given) is str else ""
    citations = []
    for annotation in message.get("annotations") or ():
        flat = url_citation(annotation)
        if flat is None:
            lost.add("annotation")
        else:
            citations.append(flat)
    parts = []
    if text or citations:
        parts.append(items.part(TEXT, text, citations, token_logprobs(logprobs)))
    if refusal:
        parts.append(items.part(REFUSAL, refusal))
    if parts:
        item = items.message(ids("msg"), "completed")
        item["content"] = parts
        output.append(item)


def _read_calls(message: Mapping[str, Any], output: list[dict[str, Any]], ids: Ids) -> None:
    calls = message.get("tool_calls")
    entries = [call for call in calls if type(call) is dict] if type(calls) is list else []
    if type(message.get("function_call")) is dict:
        entries.append({"function": message["function_call"]})
    for entry in entries:
        function = entry.get("function")
        function = function if type(function) is dict else {}
        item_id = ids("fc")
        call_id = entry.get("id")
        name = function.get("name")
        output.append(
            items.function_call(
                item_id,
                call_id if type(call_id) is str and call_id else ids("call"),
                name if type(name) is str else "",
                arguments=arguments_of(function.get("arguments")),
                status="completed",
            )
        )


def _ending(completion: Mapping[str, Any], choice: Mapping[str, Any]) -> Outcome:
    tier = completion.get("service_tier")
    finish = choice.get("finish_reason")
    return outcome.from_finish_reason(
        finish if type(finish) is str and finish else "stop", tier if type(tier) is str else None
    )


def _end(response: Response, ended: Outcome, ids: Ids, clock: Clock) -> None:
    output = response["output"]
    if ended.service_tier:
        response["service_tier"] = ended.service_tier
    if not output:
        item = items.message(ids("msg"), "completed")
        item["content"] = [items.part(TEXT)]
        output.append(item)
    if ended.status == "incomplete":
        response["incomplete_details"] = {"reason": ended.reason}
        _mark_cut(output)
    response["status"] = ended.status
    response["completed_at"] = int(clock()) if ended.status == "completed" else None


def _mark_cut(output: list[dict[str, Any]]) -> None:
    """A cut answer: its last item is incomplete, and so is any call whose arguments are not whole."""
    for item in output:
        if item is output[-1] or item["type"] == "function_call":
            item["status"] = items.cut_status(item)


# -- response to completion --------------------------------------------------------------------------


def write_response(
    response: Mapping[str, Any], *, model: str | None = None, reasoning_field: str = "reasoning_content"
) -> ChatCompletion:
    """The completion that says what a finished response says. Raises UpstreamError for a failed one.

    `model`: the name the client asked for, shown in place of the response's own.
    """
    output = [item for item in response.get("output") or () if type(item) is dict]
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    texts = _Texts()
    reasoning: list[str] = []
    calls: list[dict[str, Any]] = []
    for item in output:
        kind = item.get("type")
        if kind == "message":
            texts.take(item)
        elif kind == "reasoning":
            reasoning.append(_reasoning_text(item))
        elif kind == "function_call":
            calls.append(_tool_call(item))
    texts.put(message, empty=None if calls or texts.refusals else "")
    if thoughts := "\n\n".join(filter(None, reasoning)):
        message[reasoning_field] = thoughts
    if calls:
        message["tool_calls"] = calls
    finish = outcome.finish_reason(response)
    return _completion(response, message, finish, texts.logprobs, model)


class _Texts:
    """The visible text of all messages as one string, with what belongs to places in it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._length = 0
        self.refusals: list[str] = []
        self.logprobs: list[Any] = []
        self._annotations: list[dict[str, Any]] = []

    def take(self, item: Mapping[str, Any]) -> None:
        for part in item.get("content") or ():
            if part.get("type") == "output_text":
                self._text(part)
            elif part.get("type") == "refusal":
                self.refusals.append(part.get("refusal") or "")

    def _text(self, part: Mapping[str, Any]) -> None:
        text = part.get("text") or ""
        self.logprobs.extend(part.get("logprobs") or ())
        for annotation in part.get("annotations") or ():
            nested = nested_citation(annotation, self._length)
            if nested:
                self._annotations.append(nested)
        self._texts.append(text)
        self._length += len(text)

    def put(self, message: dict[str, Any], empty: str | None) -> None:
        message["content"] = "".join(self._texts) or empty
        if self.refusals:
            message["refusal"] = "".join(self.refusals)
        if self._annotations:
            message["annotations"] = self._annotations


def nested_citation(annotation: Any, offset: int = 0) -> dict[str, Any] | None:
    """A `url_citation` as Chat writes it, its places moved by `offset` characters; other kinds: None."""
    if type(annotation) is not dict or annotation.get("type") != "url_citation":
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "url": annotation.get("url", ""),
            "title": annotation.get("title", ""),
            "start_index": (annotation.get("start_index") or 0) + offset,
            "end_index": (annotation.get("end_index") or 0) + offset,
        },
    }


def _reasoning_text(item: Mapping[str, Any]) -> str:
    """Raw text where there is some, else the summaries: never both, they say the same."""
    for holder in ("content", "summary"):
        texts = [part.get("text") for part in item.get(holder) or ()]
        if any(texts):
            return "\n\n".join(filter(None, texts))
    return ""


def _tool_call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name") or "", "arguments": item.get("arguments") or ""}
    return {"id": item.get("call_id") or item.get("id") or "", "type": "function", "function": function}


def _completion(
    response: Mapping[str, Any], message: dict[str, Any], finish: str, logprobs: list[Any], model: str | None
) -> ChatCompletion:
    completion: dict[str, Any] = {
        "id": completion_id(str(response.get("id") or "")),
        "object": "chat.completion",
        "created": int(response.get("created_at") or 0),
        "model": model or response.get("model") or "",
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": finish,
                "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            }
        ],
    }
    counts = usage.to_chat(response.get("usage"))
    if counts is not None:
        completion["usage"] = counts
    if tier := response.get("service_tier"):
        completion["service_tier"] = tier
    return completion  # type: ignore[return-value]
