"""Checks every stream: the grammar of `chat2response/wire/responses.py`, written again as a checker
that does not use the writer, and the types of the official SDK.

    events = parse_sse(output)
    assert_well_formed(events)        # order, numbers, indices, texts, snapshots
    for event in events: validate_event(event)

Chat streams: `assert_chat_stream(chunks)`. The models of the SDK allow additional keys, so tables in this
module check the keys that Open Responses requires beyond theirs.
"""

import json
from functools import lru_cache
from typing import Any, get_args

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

Event = dict[str, Any]

# -- bytes --------------------------------------------------------------------------------------------


def parse_sse(data: bytes) -> list[Event]:
    """The events of a finished stream of the gateway: LF only, one data line each, `[DONE]` once and last.

    Where an event is named, the name is its type. Comments are skipped.
    """
    text = data.decode()
    assert "\r" not in text
    assert text.endswith("\n\n"), f"unfinished: {text[-80:]!r}"
    payloads = [_payload(block) for block in text.removesuffix("\n\n").split("\n\n") if block[0] != ":"]
    assert payloads[-1] == "[DONE]", "the last frame is [DONE]"
    assert "[DONE]" not in payloads[:-1]
    return [json.loads(payload) for payload in payloads[:-1]]


def _payload(block: str) -> str:
    lines = block.split("\n")
    if lines[0].startswith("event: "):
        name, line = lines
        assert json.loads(line.removeprefix("data: "))["type"] == name.removeprefix("event: ")
        lines = [line]
    (line,) = lines
    assert line.startswith("data: "), line
    return line.removeprefix("data: ")


# -- shapes -------------------------------------------------------------------------------------------

_EVENT_TYPES = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(ResponseStreamEvent)[0])
}
# Beyond the SDK's list: codes that clients act on (Codex compacts, or gives up) and Open Responses allows.
_MORE_ERROR_CODES = {"context_length_exceeded", "insufficient_quota"}

_STRING, _NULL = (str,), (type(None),)
_RESPONSE_KEYS: dict[str, tuple[type, ...]] = {
    "id": _STRING,
    "object": _STRING,
    "created_at": (int,),
    "completed_at": (int, *_NULL),
    "status": _STRING,
    "error": (dict, *_NULL),
    "incomplete_details": (dict, *_NULL),
    "instructions": (str, list, *_NULL),
    "metadata": (dict,),
    "model": _STRING,
    "output": (list,),
    "parallel_tool_calls": (bool,),
    "previous_response_id": (str, *_NULL),
    "reasoning": (dict, *_NULL),
    "temperature": (float, int),
    "top_p": (float, int),
    "presence_penalty": (float, int),
    "frequency_penalty": (float, int),
    "top_logprobs": (int,),
    "text": (dict,),
    "tools": (list,),
    "tool_choice": (str, dict),
    "truncation": _STRING,
    "usage": (dict, *_NULL),
    "max_output_tokens": (int, *_NULL),
    "max_tool_calls": (int, *_NULL),
    "store": (bool,),
    "background": (bool,),
    "service_tier": _STRING,
    "safety_identifier": (str, *_NULL),
    "prompt_cache_key": (str, *_NULL),
}
_ITEM_KEYS = {
    "message": {"id", "type", "status", "role", "content"},
    "reasoning": {"id", "type", "status", "summary"},
    "function_call": {"id", "type", "status", "call_id", "name", "arguments"},
    "custom_tool_call": {"id", "type", "status", "call_id", "name", "input"},
}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_PHASED = {
    "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call",
    "mcp_list_tools", "shell_call",
}  # fmt: skip
_MAY_STAY_OPEN = _CALLS.keys() | _PHASED
_NEVER_NULL = {"phase", "content", "encrypted_content", "logprobs", "annotations", "namespace"}


def validate_event(event: Event) -> None:
    """Checks an event of a Responses stream against the SDK and Open Responses."""
    _validated_event(json.dumps(event))


def validate_response(response: dict[str, Any]) -> None:
    """Checks a response, whole or as a snapshot in an event."""
    _response_keys(response)
    _strictly(Response, _in_known_words(response))


def validate_chunk(chunk: dict[str, Any]) -> None:
    """Checks a chunk, or the error that replaces one."""
    _validated_chunk(json.dumps(chunk))


def validate_completion(completion: dict[str, Any]) -> None:
    """Checks a Chat completion."""
    _strictly(ChatCompletion, _in_known_words(completion))
    for choice in completion["choices"]:
        message = choice["message"]
        assert {"content", "refusal"} <= message.keys()
        assert message.get("tool_calls") != []
        assert "logprobs" in choice


@lru_cache(maxsize=50_000)  # streams cut at every byte repeat their events
def _validated_event(text: str) -> None:
    event = json.loads(text)
    kind = event["type"]
    assert kind in _EVENT_TYPES, f"no such event: {kind}"
    if "response" in event:
        _response_keys(event["response"])
        event["response"] = _in_known_words(event["response"])
    _strictly(_EVENT_TYPES[kind], event)
    if "item" in event:
        _item_keys(event["item"])
    if "part" in event:
        _no_null(event["part"])
    if kind == "response.function_call_arguments.done":
        assert type(event["name"]) is str


@lru_cache(maxsize=50_000)
def _validated_chunk(text: str) -> None:
    chunk = json.loads(text)
    if "error" in chunk:
        assert chunk.keys() == {"error"}
        assert chunk["error"].keys() == {"message", "type", "param", "code"}
        assert type(chunk["error"]["message"]) is str
        assert type(chunk["error"]["type"]) is str
        return
    for choice in chunk["choices"]:
        for call in choice["delta"].get("tool_calls", ()):
            if call.get("type") == "custom":  # sent by OpenAI, and unknown to its SDK's chunks
                call["type"] = "function"
    _strictly(ChatCompletionChunk, _in_known_words(chunk))
    for choice in chunk["choices"]:
        assert {"index", "delta", "finish_reason", "logprobs"} == choice.keys()
        assert choice["delta"].get("tool_calls") != []


@lru_cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _strictly(model: Any, value: dict[str, Any]) -> None:
    """Validates as JSON, because strict mode then rejects a number in a string."""
    _adapter(model).validate_json(json.dumps(value), strict=True)


def _in_known_words(value: dict[str, Any]) -> dict[str, Any]:
    """A copy with listed values where Open Responses allows others than the SDK."""
    error = value.get("error")
    if error and error["code"] in _MORE_ERROR_CODES:
        value = {**value, "error": {**error, "code": "server_error"}}
    if type(value.get("service_tier")) is str:  # vendors sell tiers of their own
        value = {**value, "service_tier": "default"}
    return value


def _response_keys(response: dict[str, Any]) -> None:
    for name, types in _RESPONSE_KEYS.items():
        assert name in response, f"no {name}"
        assert type(response[name]) in types, f"{name} is {response[name]!r}"
    assert {"effort", "summary"} <= (response["reasoning"] or {"effort": 0, "summary": 0}).keys()
    assert response["text"]["format"]["type"]
    assert "output_text" not in response, "a helper of the SDK, not a field"
    for item in response["output"]:
        _item_keys(item)


def _item_keys(item: dict[str, Any]) -> None:
    assert _ITEM_KEYS.get(item["type"], {"id", "type"}) <= item.keys()
    _no_null(item)
    for part in item.get("content") or ():
        _no_null(part)


def _no_null(value: dict[str, Any]) -> None:
    for name in _NEVER_NULL & value.keys():
        assert value[name] is not None, f"{name} may be absent, but not null"
    if value.get("type") == "output_text":
        assert {"annotations", "logprobs"} <= value.keys()


# -- the order of a Responses stream ------------------------------------------------------------------

_TERMINAL = {"completed", "incomplete", "failed"}
_DELTAS = {
    "response.output_text.delta": ("output_text", "text", "content_index"),
    "response.refusal.delta": ("refusal", "refusal", "content_index"),
    "response.reasoning_text.delta": ("reasoning_text", "text", "content_index"),
    "response.reasoning_summary_text.delta": ("summary_text", "text", "summary_index"),
}
_CALL_DELTAS = {
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}
_CALL_DONES = {name.replace(".delta", ".done"): item_type for name, item_type in _CALL_DELTAS.items()}
_DONES = {name.replace(".delta", ".done"): rule for name, rule in _DELTAS.items()}
_PARTS = {
    "response.content_part": ("content", "content_index", {"output_text", "refusal", "reasoning_text"}),
    "response.reasoning_summary_part": ("summary", "summary_index", {"summary_text"}),
}


def _is_phase(kind: str, item_type: str) -> bool:
    """Whether this is an event of an open hosted tool's item (`response.web_search_call.searching`)."""
    return item_type in _PHASED and kind.startswith(f"response.{item_type}")


def assert_well_formed(events: list[Event]) -> dict[str, Any]:
    """Checks the events of one finished stream against the grammar. Returns the final response."""
    return _Checker().run(events)


class _Item:
    """An item between `added` and `done`."""

    def __init__(self, added: dict[str, Any]) -> None:
        self.added = added
        self.doc: dict[str, Any] | None = None
        self.part: dict[str, Any] | None = None  # the open one, with its text as streamed so far
        self.text_done = False
        self.parts: dict[str, list[dict[str, Any]]] = {"content": [], "summary": []}
        self.arguments: list[str] = []
        self.arguments_done: str | None = None


class _Checker:
    def __init__(self) -> None:
        self.items: list[_Item] = []
        self.ids: set[str] = set()
        self.call_ids: set[str] = set()

    def run(self, events: list[Event]) -> dict[str, Any]:
        kinds = [event["type"].removeprefix("response.") for event in events]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert kinds[:2] == ["created", "in_progress"]
        assert kinds.count("created") == 1
        assert [kind in _TERMINAL for kind in kinds] == [False] * (len(kinds) - 1) + [True], kinds
        opening = events[0]["response"]
        for event in events[:-1]:
            if "response" in event:
                self._snapshot(event["response"], opening)
            else:
                self._event(event)
        end = events[-1]["response"]
        self._end(kinds[-1], end, opening)
        return end

    def _snapshot(self, response: dict[str, Any], opening: dict[str, Any]) -> None:
        assert response == {**opening, "output": response["output"]}
        assert response["status"] == "in_progress"
        for empty in ("usage", "error", "completed_at", "incomplete_details"):
            assert response[empty] is None

    def _event(self, event: Event) -> None:
        kind: str = event["type"]
        if kind == "response.output_item.added":
            self._added(event)
            return
        if kind.startswith("response.audio."):
            return
        item = self.items[event["output_index"]]
        assert item.doc is None, f"{kind} after the item was done"
        if kind == "response.output_item.done":
            self._done(event, item)
            return
        assert event["item_id"] == item.added["id"], "one id per item"
        if kind in _DELTAS:
            self._delta(event, item, *_DELTAS[kind])
        elif kind in _DONES:
            self._text_done(event, item, *_DONES[kind])
        elif kind == "response.output_text.annotation.added":
            self._annotation(event, item)
        elif kind in _CALL_DELTAS:
            assert item.arguments_done is None
            assert item.added["type"] == _CALL_DELTAS[kind]
            item.arguments.append(event["delta"])
        elif kind in _CALL_DONES:
            assert item.arguments_done is None
            assert item.added["type"] == _CALL_DONES[kind]
            assert event.get("name", item.added["name"]) == item.added["name"]
            item.arguments_done = event[_CALLS[item.added["type"]]]
            assert item.arguments_done == "".join(item.arguments)
        elif _is_phase(kind, item.added["type"]):
            assert event["output_index"] == self.items.index(item)
        else:
            base, _, what = kind.rpartition(".")
            assert base in _PARTS, f"{kind} has no place in the grammar"
            (self._part_added if what == "added" else self._part_done)(event, item, *_PARTS[base])

    # -- items

    def _added(self, event: Event) -> None:
        item = event["item"]
        assert event["output_index"] == len(self.items), "indices are dense, in order"
        assert item["id"] not in self.ids
        self.ids.add(item["id"])
        if item["type"] in _ITEM_KEYS:
            assert item["status"] == "in_progress"
            assert not item.get("content")
            assert not item.get("summary")
            assert not item.get("arguments")
            assert not item.get("input")
        if item["type"] in _CALLS:
            assert item["call_id"] not in self.call_ids, "call ids are unique"
            self.call_ids.add(item["call_id"])
            assert item["name"], "added carries the name"
        assert all(other.doc or other.added["type"] in _MAY_STAY_OPEN for other in self.items), (
            "only calls may be open while another item begins"
        )
        self.items.append(_Item(item))

    def _done(self, event: Event, item: _Item) -> None:
        doc = event["item"]
        assert item.part is None, "the part ends before its item"
        item.doc = doc
        if doc["type"] not in _ITEM_KEYS:
            return
        assert doc["status"] in ("completed", "incomplete")
        settled = {"status", "content", "summary", "arguments", "input", "encrypted_content"}
        for key in doc.keys() | item.added.keys():
            assert key in settled or doc[key] == item.added[key], f"{key} changed"
        if doc["type"] in _CALLS:
            assert item.arguments_done == doc[_CALLS[doc["type"]]], "arguments.done always comes"
        else:
            assert doc.get("content", []) == item.parts["content"]
            assert doc.get("summary", []) == item.parts["summary"]

    # -- parts

    def _part_added(self, event: Event, item: _Item, holder: str, index: str, kinds: set[str]) -> None:
        part = event["part"]
        assert item.part is None, "one part at a time"
        assert part["type"] in kinds
        assert (item.added["type"] == "message") == (part["type"] in ("output_text", "refusal"))
        assert event[index] == len(item.parts[holder])
        assert holder == "summary" or not item.parts["summary"], "raw reasoning stands before its summary"
        assert not any(part[key] for key in ("text", "refusal", "annotations", "logprobs") if key in part)
        item.part = {**part, "annotations": [], "logprobs": []}
        item.text_done = False

    def _place(self, event: Event, item: _Item, part_type: str, index: str) -> dict[str, Any]:
        part = item.part
        assert part is not None, f"{event['type']} outside a part"
        assert part["type"] == part_type
        assert not item.text_done
        assert event[index] == len(item.parts["summary" if index == "summary_index" else "content"])
        return part

    def _delta(self, event: Event, item: _Item, part_type: str, key: str, index: str) -> None:
        part = self._place(event, item, part_type, index)
        part[key] += event["delta"]
        part["logprobs"] += event.get("logprobs", [])

    def _annotation(self, event: Event, item: _Item) -> None:
        part = self._place(event, item, "output_text", "content_index")
        assert event["annotation_index"] == len(part["annotations"])
        part["annotations"].append(event["annotation"])

    def _text_done(self, event: Event, item: _Item, part_type: str, key: str, index: str) -> None:
        part = self._place(event, item, part_type, index)
        assert event[key] == part[key], "done repeats what was streamed"
        assert event.get("logprobs", []) == part["logprobs"]
        item.text_done = True

    def _part_done(self, event: Event, item: _Item, holder: str, index: str, kinds: set[str]) -> None:
        part = item.part
        assert part is not None
        assert item.text_done, "the text ends before its part"
        assert event[index] == len(item.parts[holder])
        assert {"annotations": [], "logprobs": [], **event["part"]} == part
        item.parts[holder].append(event["part"])
        item.part = None

    # -- the end

    def _end(self, status: str, response: dict[str, Any], opening: dict[str, Any]) -> None:
        ours = {"status", "output", "usage", "error", "incomplete_details", "completed_at", "service_tier"}
        ours.add("moderation")  # known at the end, and only there
        for key in response.keys() | opening.keys():
            assert key in ours or response[key] == opening[key], f"{key} changed"
        assert response["status"] == status
        assert (response["completed_at"] is not None) == (status == "completed")
        assert (response["error"] is not None) == (status == "failed")
        assert (response["incomplete_details"] is not None) == (status == "incomplete")
        output = response["output"]
        assert len(output) == len(self.items)
        for item, doc in zip(self.items, output, strict=True):
            if item.doc is not None:
                assert doc == item.doc, "the response repeats its items"
            else:
                assert status == "failed", "an open item"
                self._left_open(item, doc)
        if status != "failed":
            assert output, "an answer has an item"
            self._statuses(status, output)

    def _left_open(self, item: _Item, doc: dict[str, Any]) -> None:
        assert doc["id"] == item.added["id"]
        assert doc["status"] == "incomplete"
        if doc["type"] in _CALLS:
            assert doc[_CALLS[doc["type"]]] == "".join(item.arguments)
        elif item.part is not None:
            holder = "summary" if item.part["type"] == "summary_text" else "content"
            assert {"annotations": [], "logprobs": [], **doc[holder][-1]} == item.part

    def _statuses(self, status: str, output: list[dict[str, Any]]) -> None:
        """Incomplete items come last; but a call stays open while others begin, and may be cut."""
        cut = [number for number, doc in enumerate(output) if doc.get("status") == "incomplete"]
        assert not cut or status == "incomplete"
        for number in cut:
            assert number == len(output) - 1 or output[number]["type"] in _CALLS


# -- the order of a Chat stream -----------------------------------------------------------------------


def assert_chat_stream(chunks: list[Event]) -> None:
    """Checks the order of the chunks of one finished stream, for each choice separately."""
    assert chunks, "no chunk at all"
    heads = {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks if "error" not in chunk}
    assert len(heads) == 1, "every chunk bears the same id, time and model"
    every = [choice for chunk in chunks if "error" not in chunk for choice in chunk["choices"]]
    errors = [number for number, chunk in enumerate(chunks) if "error" in chunk]
    assert errors in ([], [len(chunks) - 1]), "an error is the end"
    for index in sorted({choice["index"] for choice in every}):
        _assert_choice([choice for choice in every if choice["index"] == index], failed=bool(errors))
    counted = [number for number, chunk in enumerate(chunks) if "error" not in chunk and not chunk["choices"]]
    assert counted in ([], [len(chunks) - 1])
    assert all(chunks[number]["usage"] for number in counted)


def _assert_choice(choices: list[dict[str, Any]], *, failed: bool) -> None:
    """Checks for one role, one finish reason, and calls in order."""
    assert choices[0]["delta"].get("role") == "assistant"
    assert not any("role" in choice["delta"] for choice in choices[1:]), "accumulators would join the roles"
    finishes = [number for number, choice in enumerate(choices) if choice["finish_reason"] is not None]
    if failed:
        assert not finishes, "what failed did not finish"
    else:
        assert finishes == [len(choices) - 1], "one finish chunk, after all that is said"
        assert choices[-1]["delta"] == {}
    _assert_calls([choice["delta"] for choice in choices])


_ARGUMENT_KEYS = {"function": "arguments", "custom": "input"}


def _assert_calls(deltas: list[dict[str, Any]]) -> None:
    """Checks that calls are numbered in order, and that only the first piece has id, type and name."""
    seen = 0
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            if call["index"] == seen:
                seen += 1
                assert call["id"]
                kind, key = call["type"], _ARGUMENT_KEYS[call["type"]]
                assert call[kind]["name"]
                assert call[kind][key] == ""
            else:
                assert call["index"] < seen
                (kind,) = call.keys() - {"index"}
                assert call[kind].keys() == {_ARGUMENT_KEYS[kind]}
