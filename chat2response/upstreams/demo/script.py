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

from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.validation import invalid_value
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import NotFound, UpstreamError
from chat2response.upstreams.demo.request import DemoRequest, Function
from chat2response.upstreams.demo.schema_instance import NoInstance, instance
from chat2response.wire.json import encode
from chat2response.wire.responses import Usage

MODELS = ("demo", "demo-reasoner", "demo-tools", "demo-error", "demo-broken")

_MAX_QUOTE = 2000  # characters of a long text that are repeated
_BREAKS_AFTER = 4  # words
_WORD = re.compile(r"\S+\s*")
_JSON_PIECE = re.compile(r"[^,:]*[,:]|[^,:]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One word: one delta and one token."""

    kind: Literal["reasoning", "text", "call"]
    text: str
    slot: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """All words of the answer, and how it ends."""

    steps: Sequence[Step]
    ending: Outcome
    input_tokens: int
    """The words of the request."""
    logprobs: bool = False
    alternatives: bool = False

    def play(self, step: Step, writer: Writer, form: ReasoningForm) -> None:
        """Writes one step."""
        if step.kind == "text":
            writer.text(step.text, [_certain_logprob(step.text, self.alternatives)] if self.logprobs else ())
        elif step.kind == "call":
            writer.call(CallDelta(step.slot, name=step.name, delta=step.text))
        elif form != "hide":
            writer.reasoning(step.text, summary=form == "summary")

    def usage(self, played: int) -> Usage:
        """The tokens of the first `played` steps, including hidden ones."""
        reasoning_tokens = sum(step.kind == "reasoning" for step in self.steps[:played])
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": played,
            "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
            "total_tokens": self.input_tokens + played,
        }


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
    steps = [*_reasoning_steps(request), *(_call_steps(request) or _text_steps(request))]
    ending = Outcome()
    if request.model == "demo-broken":
        steps, ending = steps[:_BREAKS_AFTER], failed(UpstreamError("The demo-broken model always fails."))
    if request.limit is not None and len(steps) > request.limit:
        steps, ending = steps[: request.limit], Outcome("incomplete", "max_output_tokens")
    return Script(steps, ending, request.word_count, request.logprobs, request.alternatives)


def _reasoning_steps(request: DemoRequest) -> Iterator[Step]:
    if request.model == "demo-reasoner":
        count = len(request.user_text.split())
        counted = f"The user wrote {count} word{'' if count == 1 else 's'}"
        newest = "A function has answered" if request.tool_outputs else counted
        next_step = (
            "so it is time to call a function."
            if _chosen_functions(request)
            else "and the answer is to repeat that."
        )
        for word in _WORD.findall(f"{newest}, {next_step}"):
            yield Step("reasoning", word)


# -- calls -------------------------------------------------------------------------------------------


def _call_steps(request: DemoRequest) -> list[Step]:
    steps: list[Step] = []
    for slot, function in enumerate(_chosen_functions(request)):
        schema = {"type": "object"} if function.parameters is None else function.parameters
        pieces = _JSON_PIECE.findall(_json_of(schema, function.path))
        steps.extend(Step("call", piece, slot, function.name) for piece in pieces)
    return steps


def _chosen_functions(request: DemoRequest) -> Sequence[Function]:
    """The functions to call: those that the user names, in that order, or else the first if one must be
    called.
    """
    if request.tool_outputs or not request.functions:
        return ()
    mentioned = sorted(_mentioned_functions(request), key=lambda match: match[0])
    functions = [function for _, function in mentioned]
    always_calls = request.model == "demo-tools"
    if not functions and (request.must_call or always_calls):
        functions = [request.functions[0]]
    if always_calls and len(functions) == 1 and re.search(r"\bparallel\b", request.user_text, re.IGNORECASE):
        functions.append(next((each for each in request.functions if each is not functions[0]), functions[0]))
    return functions if request.parallel else functions[:1]


def _mentioned_functions(request: DemoRequest) -> Iterator[tuple[int, Function]]:
    """The functions that the user names, with the offset of the name."""
    for function in request.functions:
        match = re.search(rf"(?<![\w-]){re.escape(function.name)}(?![\w-])", request.user_text)
        if match:
            yield match.start(), function


# -- words -------------------------------------------------------------------------------------------


def _text_steps(request: DemoRequest) -> Iterable[Step]:
    kind = request.format["type"]
    if kind == "json_schema":
        answer, pattern = _json_of(request.format.get("schema"), request.schema_path), _JSON_PIECE
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


def _certain_logprob(word: str, alternatives: bool) -> dict[str, Any]:
    """The log probability of a certain word, which is its own only alternative."""
    token = {"token": word, "logprob": 0.0, "bytes": list(word.encode())}
    return {**token, "top_logprobs": [token] if alternatives else []}
