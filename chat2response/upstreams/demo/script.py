"""The demo model: turns a request into the words of an answer, always the same ones.

demo             repeats the user's text; calls a function that the user names, or that it must call
demo-reasoner    does the same, but reasons first
demo-tools       calls the first function, named or not; two if the user says "parallel"
demo-error       rejects every request with 429
demo-broken      fails after a few words
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chat2response.convert.validation import invalid_value
from chat2response.errors import BridgeError, NotFound, UpstreamError
from chat2response.upstreams.demo.request import DemoRequest, Tool
from chat2response.upstreams.demo.schema_instance import NoInstance, instance
from chat2response.wire.json import encode

MODELS = ("demo", "demo-reasoner", "demo-tools", "demo-error", "demo-broken")

_MAX_QUOTE = 2000  # characters of a long text that are repeated
_BREAKS_AFTER = 4  # words
_SCHEMA_PATH = "response_format.json_schema.schema"
_WORD = re.compile(r"\S+\s*")
_JSON_PIECE = re.compile(r"[^,:]*[,:]|[^,:]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One word: one delta and one token."""

    kind: Literal["reasoning", "text", "call"]
    text: str
    call: int = 0
    """The number of the call, from 0."""


@dataclass(frozen=True, slots=True)
class Script:
    """All words of the answer, and how it ends."""

    steps: Sequence[Step]
    called: Sequence[Tool]
    """The tool of each call, by its number."""
    cut: bool = False
    """Whether the output limit cut the answer."""
    error: BridgeError | None = None
    """The error that it ends with."""

    def text(self, kind: Literal["reasoning", "text"]) -> str:
        """The whole text of this kind."""
        return "".join(step.text for step in self.steps if step.kind == kind)

    def calls(self) -> Iterator[tuple[Tool, str]]:
        """Each call whose first word is not cut off: its tool, and its arguments or input."""
        for number, tool in enumerate(self.called):
            words = [step.text for step in self.steps if step.kind == "call" and step.call == number]
            if words:
                yield tool, "".join(words)


def script(request: DemoRequest) -> Script:
    """The model's answer. Raises NotFound for an unknown model, InvalidRequest for an impossible schema.

    `demo-error` raises its UpstreamError.
    """
    if request.model not in MODELS:
        known = ", ".join(MODELS)
        message = f"The model '{request.model}' does not exist. The demo upstream has {known}."
        raise NotFound(message, param="model", code="model_not_found")
    if request.model == "demo-error":
        raise UpstreamError(
            "The demo-error model rejects every request.",
            status=429,
            type="rate_limit_error",
            code="rate_limit_exceeded",
            headers={"retry-after": "1"},
        )
    called = _chosen_tools(request)
    answer = _call_steps(called) if called else _text_steps(request)
    steps = [*_reasoning_steps(request, called), *answer]
    error = None
    if request.model == "demo-broken":
        steps = steps[:_BREAKS_AFTER]
        error = UpstreamError("The demo-broken model always fails.", status=500, code="server_error")
    if request.limit is not None and len(steps) > request.limit:
        return Script(steps[: request.limit], called, cut=True)
    return Script(steps, called, error=error)


def _reasoning_steps(request: DemoRequest, called: Sequence[Tool]) -> Iterator[Step]:
    if request.model == "demo-reasoner":
        count = len(request.user_text.split())
        counted = f"The user wrote {count} word{'' if count == 1 else 's'}"
        newest = "A function has answered" if request.tool_outputs else counted
        next_step = "so it is time to call a function." if called else "and the answer is to repeat that."
        for word in _WORD.findall(f"{newest}, {next_step}"):
            yield Step("reasoning", word)


# -- calls -------------------------------------------------------------------------------------------


def _call_steps(called: Sequence[Tool]) -> Iterator[Step]:
    for number, tool in enumerate(called):
        for piece in _pieces(tool):
            yield Step("call", piece, number)


def _pieces(tool: Tool) -> list[str]:
    """The arguments or the input, word by word."""
    if tool.custom:
        return _WORD.findall(instance(tool.parameters))
    return _JSON_PIECE.findall(_json_of(tool.parameters, tool.path))


def _chosen_tools(request: DemoRequest) -> Sequence[Tool]:
    """The tools to call: those that the user names, in that order, else the first if one must be called."""
    if request.tool_outputs or not request.tools:
        return ()
    mentioned = sorted(_mentioned_tools(request), key=lambda match: match[0])
    tools = [tool for _, tool in mentioned]
    always_calls = request.model == "demo-tools"
    if not tools and (request.must_call or always_calls):
        tools = [request.tools[0]]
    if always_calls and len(tools) == 1 and re.search(r"\bparallel\b", request.user_text, re.IGNORECASE):
        tools.append(next((each for each in request.tools if each is not tools[0]), tools[0]))
    return tools if request.parallel else tools[:1]


def _mentioned_tools(request: DemoRequest) -> Iterator[tuple[int, Tool]]:
    """The tools that the user names, with the offset of the name."""
    for tool in request.tools:
        match = re.search(rf"(?<![\w-]){re.escape(tool.name)}(?![\w-])", request.user_text)
        if match:
            yield match.start(), tool


# -- words -------------------------------------------------------------------------------------------


def _text_steps(request: DemoRequest) -> Iterable[Step]:
    kind = request.format["type"]
    if kind == "json_schema":
        answer, pattern = _json_of(request.format["schema"], _SCHEMA_PATH), _JSON_PIECE
    elif kind == "json_object":
        answer, pattern = encode({"answer": _sentence(request)}).decode(), _WORD
    else:
        answer, pattern = _sentence(request), _WORD
    for stop in request.stops:
        answer = answer.partition(stop)[0]
    return [Step("text", word) for word in pattern.findall(answer)]


def _sentence(request: DemoRequest) -> str:
    if request.tool_outputs:
        quotes = " and ".join(f'"{_quote(output)}"' for output in request.tool_outputs)
        return f"The function answered {quotes}, and that is all I know."
    quote = _quote(request.user_text)
    return f'You said: "{quote}" I am the demo model, and repeating that word by word is all I do.'


def _quote(answer: str) -> str:
    shortened = " ".join(answer[:_MAX_QUOTE].split())
    return f"{shortened} ..." if len(answer) > _MAX_QUOTE else shortened


def _json_of(schema: Any, path: str) -> str:
    try:
        return encode(instance(schema)).decode()
    except NoInstance as reason:
        raise invalid_value(path, f"Invalid schema in '{path}': {reason}.") from None
