"""The demo model itself: a request in, the words of its answer out, the same ones every time.

demo             repeats what the user said; calls a function that the user names, or that it must
demo-reasoner    the same, but thinks first
demo-tools       calls the first function offered, named or not; two where the user says "parallel"
demo-error       refuses with 429 before it has said anything
demo-broken      breaks off after a few words
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.validation import invalid_value
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import NotFound, UpstreamError
from chat2response.upstreams.demo.request import Ask, Function
from chat2response.upstreams.demo.schema_instance import NoInstance, instance
from chat2response.wire.json import encode
from chat2response.wire.responses import Usage

MODELS = ("demo", "demo-reasoner", "demo-tools", "demo-error", "demo-broken")

_QUOTED = 2000  # characters of what is repeated; the answer to a novel need not be one
_BREAKS_AFTER = 4  # words
_SPOKEN = re.compile(r"\S+\s*")
_JSON = re.compile(r"[^,:]*[,:]|[^,:]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One word, which is one delta and one token."""

    kind: Literal["reasoning", "text", "call"]
    text: str
    slot: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """All that will be said, and how it ends."""

    steps: Sequence[Step]
    ending: Outcome
    heard: int
    """Words of the request."""
    logprobs: bool = False
    alternatives: bool = False

    def play(self, step: Step, writer: Writer, form: ReasoningForm) -> None:
        """Says one step."""
        if step.kind == "text":
            writer.text(step.text, [_certain(step.text, self.alternatives)] if self.logprobs else ())
        elif step.kind == "call":
            writer.call(step.slot, name=step.name, delta=step.text)
        elif form != "hide":
            writer.reasoning(step.text, summary=form == "summary")

    def usage(self, played: int) -> Usage:
        """The tokens of the first `played` steps, hidden ones too."""
        thought = sum(step.kind == "reasoning" for step in self.steps[:played])
        return {
            "input_tokens": self.heard,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": played,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": self.heard + played,
        }


def script(ask: Ask) -> Script:
    """What the model answers. Raises NotFound for a model it is not, InvalidRequest for an impossible schema.

    Of `demo-error` the refusal is raised: UpstreamError.
    """
    if ask.model not in MODELS:
        known = ", ".join(MODELS)
        message = f"The model '{ask.model}' does not exist: the demo upstream has {known}."
        raise NotFound(message, param="model", code="model_not_found")
    if ask.model == "demo-error":
        raise UpstreamError(
            "The demo-error model refuses every request.",
            status=429,
            type="rate_limit_error",
            code="rate_limit_exceeded",
            headers={"retry-after": "1"},
        )
    steps = [*_thoughts(ask), *(_calls(ask) or _words(ask))]
    ending = Outcome()
    if ask.model == "demo-broken":
        steps, ending = steps[:_BREAKS_AFTER], failed(UpstreamError("The demo-broken model broke off."))
    if ask.limit is not None and len(steps) > ask.limit:
        steps, ending = steps[: ask.limit], Outcome("incomplete", "max_output_tokens")
    return Script(steps, ending, ask.words, ask.logprobs, ask.alternatives)


def _thoughts(ask: Ask) -> Iterator[Step]:
    if ask.model == "demo-reasoner":
        count = len(ask.said.split())
        wrote = f"The user wrote {count} word{'' if count == 1 else 's'}"
        newest = "A function has answered" if ask.outputs else wrote
        todo = "so it is time to call a function." if _chosen(ask) else "and the answer is to repeat that."
        for word in _SPOKEN.findall(f"{newest}, {todo}"):
            yield Step("reasoning", word)


# -- calls -------------------------------------------------------------------------------------------


def _calls(ask: Ask) -> list[Step]:
    steps: list[Step] = []
    for slot, function in enumerate(_chosen(ask)):
        schema = {"type": "object"} if function.parameters is None else function.parameters
        pieces = _JSON.findall(_json_of(schema, function.path))
        steps.extend(Step("call", piece, slot, function.name) for piece in pieces)
    return steps


def _chosen(ask: Ask) -> Sequence[Function]:
    """The functions to call now: those the user names, in that order, else the first where one has to be."""
    if ask.outputs or not ask.functions:
        return ()
    chosen = sorted(_named(ask), key=lambda found: found[0])
    functions = [function for _, function in chosen]
    eager = ask.model == "demo-tools"
    if not functions and (ask.must_call or eager):
        functions = [ask.functions[0]]
    if eager and len(functions) == 1 and re.search(r"\bparallel\b", ask.said, re.IGNORECASE):
        functions.append(next((each for each in ask.functions if each is not functions[0]), functions[0]))
    return functions if ask.parallel else functions[:1]


def _named(ask: Ask) -> Iterator[tuple[int, Function]]:
    """With the place of the name in what the user said."""
    for function in ask.functions:
        found = re.search(rf"(?<![\w-]){re.escape(function.name)}(?![\w-])", ask.said)
        if found:
            yield found.start(), function


# -- words -------------------------------------------------------------------------------------------


def _words(ask: Ask) -> Iterable[Step]:
    kind = ask.format["type"]
    if kind == "json_schema":
        said, pattern = _json_of(ask.format.get("schema"), ask.schema_path), _JSON
    elif kind == "json_object":
        said, pattern = encode({"answer": _sentence(ask)}).decode(), _SPOKEN
    else:
        said, pattern = _sentence(ask), _SPOKEN
    for stop in ask.stops:
        said = said.partition(stop)[0]
    return [Step("text", word) for word in pattern.findall(said)]


def _sentence(ask: Ask) -> str:
    if ask.outputs:
        quotes = " and ".join(f'"{_quote(output)}"' for output in ask.outputs)
        return f"The function answered {quotes}, and that is all I know."
    return f'You said: "{_quote(ask.said)}" I am the demo model, and repeating that word by word is all I do.'


def _quote(said: str) -> str:
    kept = " ".join(said[:_QUOTED].split())
    return f"{kept} ..." if len(said) > _QUOTED else kept


def _json_of(schema: Any, path: str) -> str:
    try:
        return encode(instance(schema)).decode()
    except NoInstance as reason:
        raise invalid_value(path, f"Invalid schema in '{path}': {reason}.") from None


def _certain(word: str, alternatives: bool) -> dict[str, Any]:
    """The log probability of a word that could not have been another one: it is the only alternative too."""
    token = {"token": word, "logprob": 0.0, "bytes": list(word.encode())}
    return {**token, "top_logprobs": [token] if alternatives else []}
